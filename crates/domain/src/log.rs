//! Log lines of the platform (factor XI). What apps print is bytes and stays bytes, in `logs`.

use std::sync::Arc;

use crate::{AppId, Timestamp};

/// Who wrote a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LogSource {
    /// The app's own processes.
    App,
    /// The platform.
    Platform,
}

impl LogSource {
    /// The source as clients of Heroku's log sessions know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Platform => "heroku",
        }
    }
}

/// One line that the platform writes into an app's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Whose stream.
    pub app: AppId,
    /// When it happened.
    pub at: Timestamp,
    /// Who says it: `App` only where the platform relays an app's words or an API call.
    pub source: LogSource,
    /// Of what: `web.1`, `router`, `api`.
    pub process: String,
    /// The text, without a line end. Never a secret.
    pub text: String,
}

/// Takes the platform's lines. Never blocks and never fails: what cannot be kept is counted.
pub type PlatformSink = Arc<dyn Fn(LogLine) + Send + Sync>;
