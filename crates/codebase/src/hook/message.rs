//! The request's bytes.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::OBJECTS;
use crate::plan::Update;
use crate::repository::Quarantine;

/// What a hook asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub secret: String,
    pub quarantine: Quarantine,
    pub updates: Vec<Update>,
}

/// Writes a request's head; git's ref lines follow it.
pub(super) fn head(secret: &OsString, objects: [Option<OsString>; 3]) -> Vec<u8> {
    let mut head = secret.as_bytes().to_vec();
    head.push(0);
    for value in objects {
        head.extend_from_slice(value.unwrap_or_default().as_bytes());
        head.push(0);
    }
    head
}

impl Request {
    /// Reads a whole request; `None` if it is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(2 + OBJECTS.len(), |&b| b == 0);
        let secret = String::from_utf8(parts.next()?.to_vec()).ok()?;
        let mut quarantine = Quarantine::default();
        for key in OBJECTS {
            let value = OsString::from_vec(parts.next()?.to_vec());
            if !value.is_empty() {
                quarantine.0.push((key.into(), value));
            }
        }
        let lines = std::str::from_utf8(parts.next()?).ok()?;
        let updates = lines.lines().map(Update::parse).collect::<Option<_>>()?;
        Some(Self {
            secret,
            quarantine,
            updates,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        let mut bytes = head(
            &"s".into(),
            [Some("/q".into()), None, Some("/a\n:/b".into())],
        );
        let (zeros, ones) = ("0".repeat(40), "1".repeat(40));
        bytes.extend(format!("{zeros} {ones} refs/heads/main\n").into_bytes());
        let request = Request::parse(&bytes).unwrap();
        assert_eq!(request.secret, "s");
        assert_eq!(
            request.quarantine.0,
            [
                ("GIT_QUARANTINE_PATH".into(), "/q".into()),
                ("GIT_ALTERNATE_OBJECT_DIRECTORIES".into(), "/a\n:/b".into()),
            ]
        );
        assert_eq!(request.updates.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::parse(&bytes);
        }
    }
}
