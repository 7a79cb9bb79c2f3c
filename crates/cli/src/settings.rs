//! What a client needs to know, read once from flags, the environment and the credentials file.

use std::path::PathBuf;

use noon_domain::Secret;

use crate::credentials::{self, Credentials};
use crate::error::Result;
use crate::server_url::ServerUrl;

/// The server that is asked where none is named.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:8090";

/// Which server to ask, and as whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: ServerUrl,
    /// The token, where there is one.
    pub token: Option<Secret<String>>,
    /// The app, where a flag or the environment names one.
    pub app: Option<String>,
    /// Where tokens are kept.
    pub credentials_path: PathBuf,
    /// Whether colour is allowed at all.
    pub is_colour_allowed: bool,
}

/// The flags that say the same as the environment, and win over it.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--server`.
    pub server: Option<String>,
    /// `--app`.
    pub app: Option<String>,
}

impl Settings {
    /// Reads them: a flag wins over the environment, which wins over the credentials file.
    ///
    /// # Errors
    /// Where the server's URL is none, or the credentials file cannot be read.
    pub fn read(flags: Flags, var: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let credentials_path = credentials::default_path(var);
        let credentials = Credentials::read(&credentials_path)?;
        let named = flags.server.or_else(|| var("NOON_SERVER"));
        let server = named.or_else(|| credentials.current.clone());
        let server: ServerUrl = server.as_deref().unwrap_or(DEFAULT_SERVER).parse()?;
        let token = var("NOON_TOKEN").or_else(|| var("NOON_API_KEY"));
        let token = token
            .map(Secret::new)
            .or_else(|| credentials.token(&server.to_string()));
        Ok(Self {
            token,
            server,
            app: flags.app.or_else(|| var("NOON_APP")),
            credentials_path,
            is_colour_allowed: var("NO_COLOR").is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: Flags, vars: &[(&str, &str)]) -> Settings {
        let find = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(flags, find).unwrap()
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let home = tempfile::tempdir().unwrap();
        let home = ("XDG_CONFIG_HOME", home.path().to_str().unwrap());
        let plain = read(Flags::default(), &[home]);
        assert_eq!(plain.server.to_string(), DEFAULT_SERVER);
        assert!(plain.token.is_none() && plain.app.is_none());

        let mut credentials = Credentials::default();
        credentials.keep("http://filed:1", "me@x", &Secret::new("filed".to_owned()));
        credentials.write(&plain.credentials_path).unwrap();
        let filed = read(Flags::default(), &[home]);
        assert_eq!(filed.server.to_string(), "http://filed:1");
        assert_eq!(filed.token.unwrap().expose(), "filed");

        let env = [
            home,
            ("NOON_SERVER", "http://env:2"),
            ("NOON_APP", "env-app"),
        ];
        let named = read(Flags::default(), &env);
        assert_eq!(named.server.to_string(), "http://env:2");
        assert!(
            named.token.is_none(),
            "a token is never sent to another server"
        );
        assert_eq!(named.app.as_deref(), Some("env-app"));

        let flags = Flags {
            server: Some("http://filed:1".to_owned()),
            app: Some("flag-app".to_owned()),
        };
        let flagged = read(flags, &[env[0], env[1], env[2], ("NOON_API_KEY", "key")]);
        assert_eq!(flagged.server.to_string(), "http://filed:1");
        assert_eq!(flagged.token.unwrap().expose(), "key");
        assert_eq!(flagged.app.as_deref(), Some("flag-app"));
    }
}
