//! A connection to one shim.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::{Ended, Error};

/// A connection to the shim of one process. Calls block for a moment at most.
#[derive(Debug)]
pub struct Shim {
    life: OwnedFd,
}

/// What a shim knows of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The words that the launcher gave in [`crate::Spec::label`].
    pub label: Vec<u8>,
    /// The process that is pid 1 inside the walls, by its number outside.
    pub init_pid: u32,
    /// When the command was started, in microseconds since 1970.
    pub started_at_micros: i64,
    /// The kernel's name for this boot of the machine.
    pub boot_id: String,
    /// How the process ended, once it has.
    pub ended: Option<Ended>,
}

fn later() -> Error {
    Error::Shim(io::Error::from(io::ErrorKind::Unsupported))
}

impl Shim {
    /// Connects to the shim of `dir`; [`Error::Gone`] when nobody listens there.
    pub fn connect(dir: &Path) -> Result<Self, Error> {
        Err(Error::Gone(dir.to_owned()))
    }

    /// Asks how the process is.
    pub fn status(&mut self) -> Result<Status, Error> {
        Err(later())
    }

    /// Gives the read end of the output pipe; the shim keeps its own.
    pub fn output(&mut self) -> Result<OwnedFd, Error> {
        Err(later())
    }

    /// Gives the network namespace of the process.
    pub fn netns(&mut self) -> Result<OwnedFd, Error> {
        Err(later())
    }

    /// Sends a signal to every process inside the walls.
    pub fn signal(&mut self, signal: i32) -> Result<(), Error> {
        let _ = signal;
        Err(later())
    }

    /// Ends everything inside the walls, at once.
    pub fn kill(&mut self) -> Result<(), Error> {
        Err(later())
    }

    /// A descriptor that becomes readable when the process has ended or the shim has died; never read from it.
    pub fn wait_fd(&self) -> BorrowedFd<'_> {
        self.life.as_fd()
    }

    /// Tells the shim that the end was taken note of, so that it may leave.
    pub fn dismiss(self) -> Result<(), Error> {
        Err(later())
    }
}
