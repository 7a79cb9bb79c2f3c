//! The word that ends a collector.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::EventfdFlags;

use crate::Error;

/// Ends the collectors that were given it; a clone is the same word.
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// A word not yet spoken.
    ///
    /// # Errors
    /// [`Error::System`] without descriptors.
    pub fn new() -> Result<Self, Error> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let fd = rustix::event::eventfd(0, flags)
            .map_err(|error| Error::system("an event descriptor", error))?;
        Ok(Self(Arc::new(fd)))
    }

    /// Speaks it: the collectors keep what they have read, and return.
    pub fn now(&self) {
        // The counter can only be full if it was spoken before.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Takes the word back, for those that use it to be woken.
    pub(crate) fn reset(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
