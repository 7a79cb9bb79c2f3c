//! Which of git's services a request is for.

use std::collections::HashMap;

use http::HeaderMap;

/// The two things that git does over HTTP.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    /// Takes a push.
    Receive,
    /// Serves a clone or fetch.
    Upload,
}

impl Service {
    /// Which one a request for the refs names.
    pub fn asked_for(query: &HashMap<String, String>) -> Option<Self> {
        match query.get("service")?.as_str() {
            "git-receive-pack" => Some(Self::Receive),
            "git-upload-pack" => Some(Self::Upload),
            _ => None,
        }
    }

    /// Git's own subcommand for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive-pack",
            Self::Upload => "upload-pack",
        }
    }

    /// Only fetching has a second version of the protocol.
    pub fn version(self, headers: &HeaderMap) -> Option<&str> {
        let asked = headers.get("git-protocol")?.to_str().ok()?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'=' | b':' | b'.' | b'-');
        let usable = matches!(self, Self::Upload) && asked.bytes().all(plain);
        usable.then_some(asked)
    }
}
