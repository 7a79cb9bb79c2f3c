//! What can go wrong that is nobody's push's fault.

use std::io;
use std::path::{Path, PathBuf};

/// Why the codebase room cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of its own could not be made, read or removed.
    #[error("cannot {act} {}; see that noon may write there and the disk is not full", path.display())]
    Files {
        /// What was tried, as in `make`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The git program could not be started.
    #[error("cannot start {}; install git 2.39.1 or newer", git.display())]
    NoGit {
        /// The program.
        git: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The git program is too old to be given hostile repositories.
    #[error("found {found:?}, which is too old; install git 2.39.1 or newer")]
    OldGit {
        /// What it says of itself.
        found: String,
    },
    /// A git command failed where it should not.
    #[error("git {command} failed: {stderr}")]
    Git {
        /// Its subcommand.
        command: String,
        /// What it complained of.
        stderr: String,
    },
    /// Talk with a git command broke off.
    #[error("lost touch with git {command}")]
    GitPipe {
        /// Its subcommand.
        command: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// A git command said what it never says.
    #[error("git {command} answered {answer:?}, which makes no sense")]
    GitAnswer {
        /// Its subcommand.
        command: &'static str,
        /// Its answer, or the start of it.
        answer: String,
    },
}

impl Error {
    /// Says which act on which path failed, for `map_err`.
    pub(crate) fn files(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Files { act, path, source }
    }
}
