//! The server's settings: environment variables only, each with a working default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use noon_domain::{Network, NetworkPolicy};

use super::ServerError;
use super::safety::{self, Allowed};

/// Name, default in words, and meaning of every variable, for the help and the README.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    (
        "NOON_DATA_DIR",
        "/var/lib/noon as root, else ~/.local/share/noon",
        "where everything is kept",
    ),
    (
        "NOON_HTTP_ADDR",
        "127.0.0.1:8080",
        "address of the router: where apps answer",
    ),
    (
        "NOON_DOMAIN",
        "localhost",
        "domain for apps: each answers at APP.DOMAIN",
    ),
    (
        "NOON_API_ADDR",
        "127.0.0.1:8090",
        "address of the API and of git",
    ),
    (
        "NOON_API_URL",
        "http://NOON_API_ADDR",
        "how clients reach the API",
    ),
    (
        "NOON_DATABASE_URL",
        "sqlite in the data directory",
        "or postgres://USER@HOST/NAME",
    ),
    (
        "NOON_MASTER_KEY",
        "made at first start in DATA/master.key",
        "64 hexadecimal digits",
    ),
    (
        "NOON_OWNER",
        "owner@localhost",
        "e-mail address of the owner, as the ledger names them",
    ),
    (
        "NOON_OWNER_TOKEN",
        "made at first start and shown once",
        "the owner's first token",
    ),
    (
        "NOON_EGRESS",
        "auto",
        "how apps reach the world unless they choose: auto, host (weak) or none (for all)",
    ),
    (
        "NOON_HOST_NETWORK",
        "refused",
        "allowed lets an app share this machine's network, and so reach noon's own ports",
    ),
    (
        "NOON_ALLOW_UNSAFE",
        "nothing",
        "limits lets others reach a server whose kernel does not limit apps' memory and processes",
    ),
    (
        "NOON_BOOT_TIMEOUT",
        "60",
        "seconds within which a web process must answer on $PORT",
    ),
    (
        "NOON_STOP_TIMEOUT",
        "30",
        "seconds between SIGTERM and SIGKILL",
    ),
    (
        "NOON_ONE_OFFS",
        "20",
        "one-off processes that one app may have at once",
    ),
    (
        "NOON_LOG",
        "info",
        "how much noon itself logs, as in warn or noon_control=debug",
    ),
];

/// Programs that builds start know these; they are handed on to build steps.
const BUILD_ENV: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_REGISTRY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The server's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub http_addr: SocketAddr,
    pub domain: String,
    pub api_addr: SocketAddr,
    pub api_url: Option<String>,
    pub database_url: Option<String>,
    pub owner: String,
    pub owner_token: Option<String>,
    pub networks: NetworkPolicy,
    pub allowed: Allowed,
    pub boot_timeout: Duration,
    pub stop_timeout: Duration,
    pub one_offs: usize,
    pub build_env: BTreeMap<String, String>,
}

impl Settings {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, ServerError> {
        Ok(Self {
            data_dir: data_dir()?,
            http_addr: parsed("NOON_HTTP_ADDR", "127.0.0.1:8080")?,
            domain: domain()?,
            api_addr: parsed("NOON_API_ADDR", "127.0.0.1:8090")?,
            api_url: text("NOON_API_URL").map(|url| url.trim_end_matches('/').to_owned()),
            database_url: text("NOON_DATABASE_URL"),
            owner: text("NOON_OWNER").unwrap_or_else(|| "owner@localhost".to_owned()),
            owner_token: text("NOON_OWNER_TOKEN"),
            networks: networks()?,
            allowed: Allowed::parse(&text(safety::VARIABLE).unwrap_or_default())?,
            boot_timeout: seconds("NOON_BOOT_TIMEOUT", "60")?,
            stop_timeout: seconds("NOON_STOP_TIMEOUT", "30")?,
            one_offs: parsed("NOON_ONE_OFFS", "20")?,
            build_env: BUILD_ENV
                .iter()
                .filter_map(|k| Some(((*k).to_owned(), text(k)?)))
                .collect(),
        })
    }
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn parsed<T: FromStr>(name: &str, default: &str) -> Result<T, ServerError> {
    let value = text(name).unwrap_or_else(|| default.to_owned());
    value.parse().map_err(|_| {
        ServerError(format!(
            "{name} is {value:?}, which it cannot be: try {default}"
        ))
    })
}

fn seconds(name: &str, default: &str) -> Result<Duration, ServerError> {
    parsed(name, default).map(Duration::from_secs)
}

fn domain() -> Result<String, ServerError> {
    let domain: noon_domain::Hostname = parsed("NOON_DOMAIN", "localhost")?;
    Ok(domain.to_string())
}

fn networks() -> Result<NetworkPolicy, ServerError> {
    let default = match text("NOON_EGRESS").as_deref() {
        None | Some("auto") => Network::Nat,
        Some("host") => Network::Host,
        Some("none") => Network::None,
        Some(other) => {
            let why = format!("NOON_EGRESS is {other:?}: use auto, host or none");
            return Err(ServerError(why));
        }
    };
    let most = match (text("NOON_HOST_NETWORK").as_deref(), default) {
        (None | Some("refused"), _) => default,
        (Some("allowed"), Network::None) => {
            let why =
                "NOON_EGRESS is none, for all apps, and NOON_HOST_NETWORK allowed: choose one";
            return Err(ServerError(why.to_owned()));
        }
        (Some("allowed"), _) => Network::Host,
        (Some(other), _) => {
            let why = format!("NOON_HOST_NETWORK is {other:?}: use refused or allowed");
            return Err(ServerError(why));
        }
    };
    Ok(NetworkPolicy { default, most })
}

fn data_dir() -> Result<PathBuf, ServerError> {
    if let Some(dir) = text("NOON_DATA_DIR") {
        let dir = PathBuf::from(dir);
        return std::path::absolute(&dir).map_err(|error| {
            ServerError::failed(format!("NOON_DATA_DIR {}", dir.display()), error)
        });
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/noon"));
    }
    let share = text("XDG_DATA_HOME").map(PathBuf::from);
    let home = || text("HOME").map(|home| Path::new(&home).join(".local/share"));
    share
        .or_else(home)
        .map(|share| share.join("noon"))
        .ok_or_else(|| {
            ServerError("there is neither NOON_DATA_DIR nor HOME: set NOON_DATA_DIR".to_owned())
        })
}
