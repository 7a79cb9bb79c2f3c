//! What can go wrong on the platform's side or in a tree.

use std::io;
use std::path::{Path, PathBuf};

use noon_domain::BuildFailure;

/// Why the builder could not do something with files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk has no room.
    #[error("the disk of this machine is full: free some space and push again")]
    DiskFull,
    /// The server is on its way out.
    #[error("noon is stopping: push again in a moment")]
    Interrupted,
    /// The file system said no.
    #[error("could not {act} {}", .path.display())]
    Io {
        /// The act, as in `read`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A tree holds what no layer may hold.
    #[error("{path:?} is a {what}, which cannot be part of a slug: remove it")]
    Forbidden {
        /// Where in the tree.
        path: String,
        /// What it is, as in `socket`.
        what: &'static str,
    },
    /// A tree nests too deep.
    #[error(
        "{path:?} lies more than {limit} directories deep, which no layer may: flatten the tree"
    )]
    TooDeep {
        /// Where in the tree, cut short.
        path: String,
        /// The most that is allowed.
        limit: usize,
    },
}

impl Error {
    /// Names the act and the path of an input/output error.
    pub(crate) fn io<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io {
                act,
                path: path.to_owned(),
                source,
            },
        }
    }

    /// The error as the end of a build at this step.
    pub(crate) fn at(self, step: &str) -> BuildFailure {
        let sentence = match &self {
            // The pusher has no use for paths of the host; the operator's log does.
            Self::Io { act, path, source } => {
                tracing::error!(step, act, path = %path.display(), %source, "a build failed");
                format!("noon could not {act} what belongs to this build: {source}")
            }
            _ => self.to_string(),
        };
        failure(step, sentence)
    }
}

/// A build's end: at which step, and why.
pub(crate) fn failure(step: &str, sentence: impl Into<String>) -> BuildFailure {
    BuildFailure {
        step: step.to_owned(),
        sentence: sentence.into(),
    }
}
