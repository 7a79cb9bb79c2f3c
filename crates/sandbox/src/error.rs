//! What can go wrong at the walls.

use std::io;
use std::path::PathBuf;

/// What went wrong; each message names the place and, where there is one, the mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens in the directory: the shim has left or was killed.
    #[error("no shim listens in {0}")]
    Gone(PathBuf),
    /// A step of building the walls or starting the command failed.
    #[error("the sandbox could not be started: {step} failed")]
    Start {
        /// The step, as an act on a place.
        step: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A command could not be started inside the sandbox, which runs on.
    #[error("the command could not be started inside the sandbox: {step} failed")]
    Enter {
        /// The step, as an act on a place.
        step: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The specification asks for what cannot be.
    #[error("the sandbox cannot be started: {0}")]
    Spec(String),
    /// The shim program could not be kept or run.
    #[error("the shim program could not be started")]
    Shim(#[source] io::Error),
    /// The conversation with a shim broke.
    #[error("the shim did not answer the request to {act}")]
    Talk {
        /// What was asked.
        act: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The shim answered that it cannot do what was asked.
    #[error("the shim refused to {act}: {reason}")]
    Refused {
        /// What was asked.
        act: &'static str,
        /// The shim's reason.
        reason: String,
    },
    /// The process is not root and has no user namespace to be root of.
    #[error("user namespaces cannot be used: {step} failed; `noon doctor` says how to allow them")]
    Rootless {
        /// The step that failed.
        step: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}
