//! What can go wrong in this room.

use std::io;
use std::path::PathBuf;

/// Why logs could not be collected or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory of rings could not be made or locked.
    #[error("the log directory {} cannot be used: check that it exists and is writable", .dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another collector writes there.
    #[error("another collector writes to {}: stop it, or use another data directory", .0.display())]
    Busy(PathBuf),
    /// The platform's socket could not be opened.
    #[error("the log socket {} cannot be opened: check its directory", .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A ring's files could not be read.
    #[error("the logs in {} cannot be read: check who may read that directory", .dir.display())]
    Read {
        /// The ring's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel refused a descriptor or a thread.
    #[error("the system has no room for {what}: raise the limit on open files and threads")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Wraps the kernel's refusal of `what`.
    pub(crate) fn system(what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::System {
            what,
            source: source.into(),
        }
    }
}
