//! How the processes of a sandbox say which step failed.

use std::io;
use std::os::fd::AsFd;

use crate::sys::file;

/// A step that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: String,
    pub(super) source: io::Error,
}

pub(super) type Outcome<T> = Result<T, Failure>;

/// Names the step at which an error came up.
pub(super) trait At<T> {
    fn at(self, step: &str) -> Outcome<T>;
    fn at_place(self, step: &str, place: impl std::fmt::Debug) -> Outcome<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: &str) -> Outcome<T> {
        self.map_err(|source| Failure {
            step: step.to_owned(),
            source,
        })
    }

    fn at_place(self, step: &str, place: impl std::fmt::Debug) -> Outcome<T> {
        self.map_err(|source| Failure {
            step: format!("{step} {place:?}"),
            source,
        })
    }
}

impl Failure {
    /// Says so to the shim; one write, short enough to be whole.
    pub(super) fn report(&self, pipe: impl AsFd) {
        let mut bytes = self
            .source
            .raw_os_error()
            .unwrap_or(0)
            .to_le_bytes()
            .to_vec();
        bytes.extend(self.step.bytes().take(2048));
        let _ = file::write_all(pipe.as_fd(), &bytes);
    }

    /// Reads what was reported; `None` when the pipe was closed without a word.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (code, step) = bytes.split_first_chunk::<4>()?;
        let source = match i32::from_le_bytes(*code) {
            0 => io::Error::other("the system gave no reason"),
            code => io::Error::from_raw_os_error(code),
        };
        Some(Self {
            step: String::from_utf8_lossy(step).into_owned(),
            source,
        })
    }
}
