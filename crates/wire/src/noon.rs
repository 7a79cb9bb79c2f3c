//! What Heroku has no word for: served below `/noon/`.

use serde::{Deserialize, Serialize};

/// `GET /noon/apps/X/releases/verify`: how the walk along the ledger went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReport {
    /// How many entries were walked.
    pub entries: u32,
    /// Whether each fits the one before.
    pub intact: bool,
    /// The first broken link, in one sentence.
    pub broken: Option<String>,
}

/// `GET /noon/apps/X/processes`: what `GET /apps/X/dynos` cannot say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Which run it is: the dyno's id.
    pub id: uuid::Uuid,
    /// Its name.
    pub name: String,
    /// Its state in full: `starting`, `up`, `draining`, `stopping` or `crashed`.
    pub state: String,
    /// From start to ready, in milliseconds.
    pub boot_ms: Option<u64>,
    /// From SIGTERM until the last process of this place that was told to end was gone, in
    /// milliseconds.
    #[serde(default)]
    pub last_stop_ms: Option<u64>,
    /// When its time to live is over, if it has one.
    #[serde(default)]
    pub expires_at: Option<crate::Time>,
}

/// `GET /noon/apps/X/releases/N/times`: how long the processes of one type took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeTimes {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// From start to ready.
    pub boots: Option<Spread>,
    /// From SIGTERM to the end.
    pub stops: Option<Spread>,
}

/// What many times come to. Of each release, type and sort of time the newest 200 count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many there were.
    pub count: u64,
    /// The one in the middle, in milliseconds.
    pub median_ms: u64,
    /// The longest, in milliseconds.
    pub longest_ms: u64,
}

impl From<noon_domain::TypeTimes> for TypeTimes {
    fn from(times: noon_domain::TypeTimes) -> Self {
        let noon_domain::TypeTimes { kind, boots, stops } = times;
        Self {
            kind: kind.to_string(),
            boots: boots.map(Spread::from),
            stops: stops.map(Spread::from),
        }
    }
}

impl From<noon_domain::Spread> for Spread {
    fn from(spread: noon_domain::Spread) -> Self {
        let noon_domain::Spread {
            count,
            median,
            longest,
        } = spread;
        Self {
            count: u64::try_from(count).unwrap_or(u64::MAX),
            median_ms: millis(median),
            longest_ms: millis(longest),
        }
    }
}

/// A time in whole milliseconds.
pub fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `GET /noon/apps/X/network`: what an app's processes may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// What they have: `nat`, `none` or `host`.
    pub network: String,
    /// What was chosen for the app; absent where it is left to the server.
    pub chosen: Option<String>,
    /// The most that the server lets any app have.
    pub most: String,
}

/// The body of `PATCH /noon/apps/X/network`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkUpdate {
    /// `nat`, `none` or `host`; null leaves it to the server.
    pub network: Option<String>,
}

/// `GET /noon/apps/X/limits`: what the processes of one type are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeLimits {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How large each may grow.
    pub size: String,
    /// How long each may take to boot, in seconds.
    pub boot_timeout: u64,
    /// Whether that is set for the type; else it is what the server gives to all.
    pub boot_timeout_is_set: bool,
    /// How long each may take to stop, in seconds.
    pub stop_timeout: u64,
    /// Whether that is set for the type.
    pub stop_timeout_is_set: bool,
}

/// The body of `PATCH /noon/apps/X/limits/TYPE`; each a time such as `90s` or `2m`, or `default`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeLimitsUpdate {
    /// How long each may take to boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_timeout: Option<String>,
    /// How long each may take to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<String>,
}

/// `GET /noon/apps/X/links`: an app that X's processes reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkInfo {
    /// The app.
    pub app: crate::Named,
    /// The name under which X's processes reach its web processes, at port 80.
    pub host: String,
    /// When the link was made.
    pub created_at: crate::Time,
    /// Whether processes of X were replaced just now, so that they know the name.
    #[serde(default)]
    pub restarted: bool,
}

/// The body of `POST /noon/apps/X/links`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCreate {
    /// The app to reach, by name or id.
    pub app: String,
}

/// The body of `POST /noon/apps/X/processes/NAME/exec`: a command inside a running process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExecCreate {
    /// The command, for a shell; a shell itself where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// More environment: the terminal's, as a rule.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// Pipes, even where there could be a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_no_tty: Option<bool>,
}

/// What answers it: where to attach, once, within a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSession {
    /// Where to attach.
    pub attach_url: String,
    /// The process's name.
    pub name: String,
}

/// `GET /noon/server`: what a client needs to know of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The version of noon.
    pub version: String,
    /// The domain below which apps answer.
    pub domain: String,
    /// The port at which apps answer.
    pub port: u16,
}

/// `GET /noon/apps/X/releases/N/outcome`: how a release came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseOutcome {
    /// `pending`, `succeeded` or `failed`.
    pub status: String,
    /// Why it failed, in one sentence.
    pub why: Option<String>,
}

/// Kinds of frames on an attached connection, after the HTTP upgrade to `noon-attach`: one byte of
/// kind, four bytes of length (big-endian), then the payload.
pub mod frame {
    /// Bytes for standard input.
    pub const STDIN: u8 = 0;
    /// Bytes from standard output or the terminal.
    pub const STDOUT: u8 = 1;
    /// Bytes from standard error.
    pub const STDERR: u8 = 2;
    /// The terminal's size: columns and rows, two bytes each.
    pub const RESIZE: u8 = 3;
    /// A signal for the process: one byte.
    pub const SIGNAL: u8 = 4;
    /// Standard input ends; empty.
    pub const END: u8 = 5;
    /// The exit code: four bytes. The last frame.
    pub const EXIT: u8 = 6;
    /// One sentence: why it could not be run. The last frame.
    pub const FAILED: u8 = 7;

    /// The bytes of one frame.
    pub fn encode(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(5 + payload.len());
        bytes.push(kind);
        bytes.extend(
            u32::try_from(payload.len())
                .unwrap_or(u32::MAX)
                .to_be_bytes(),
        );
        bytes.extend(payload);
        bytes
    }

    /// The kind and length that a frame's first five bytes announce.
    pub fn decode_head(head: [u8; 5]) -> (u8, usize) {
        let [kind, a, b, c, d] = head;
        (kind, u32::from_be_bytes([a, b, c, d]) as usize)
    }

    /// The most that one frame may carry, in bytes.
    pub const MAX: usize = 1 << 20;
}
