//! What can go wrong inside the machine.

use std::io;
use std::path::PathBuf;

use noon_domain::EngineError;

/// Why the machine could not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A sandbox carries a label that is not ours, or of another version.
    #[error("the label of a sandbox is not readable: {why}")]
    BadLabel {
        /// What is wrong with it.
        why: String,
    },
    /// A file or directory of the machine.
    #[error("cannot {act} {path}", path = path.display())]
    File {
        /// What was tried, as in `create`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The shim program could not be laid ready.
    #[error("cannot lay the shim program ready")]
    ShimProgram(#[source] io::Error),
    /// A process could not be put inside its walls.
    #[error("cannot put {process} inside its walls")]
    Launch {
        /// Its name.
        process: String,
        /// Which step failed, and why.
        source: noon_sandbox::Error,
    },
    /// A pipe or terminal for a process could not be made.
    #[error("cannot make the {what} of a process")]
    Stdio {
        /// Which.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The way out to the world could not be made.
    #[error("cannot {act} for the way out to the world")]
    Egress {
        /// What was tried.
        act: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A process did not start.
    #[error("the process could not be started: {why}")]
    NotStarted {
        /// Why, in the words of whoever tried.
        why: String,
    },
    /// The tasks of this machine are gone: it is being dropped.
    #[error("the machine is shutting down")]
    Closing,
}

impl Error {
    pub(crate) fn file(
        act: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }

    pub(crate) fn into_engine(self, what: impl Into<String>) -> EngineError {
        EngineError::Failed {
            what: what.into(),
            source: Box::new(self),
        }
    }
}
