//! Those who watch a process, each through a pipe of their own.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use crate::Notice;
use crate::sys::{file, socket};

/// More than this are sent away; they still learn of the end.
const MOST: usize = 64;
/// Room for some hundred records; what a watcher does not take, it misses.
const PIPE_BYTES: i32 = 4096;

/// The write ends; a watcher that has left is seen by its pipe.
#[derive(Default)]
pub(super) struct Watchers(Vec<OwnedFd>);

impl Watchers {
    /// One more: what it reads from.
    pub(super) fn admit(&mut self) -> io::Result<OwnedFd> {
        if self.0.len() >= MOST {
            return Err(io::Error::other("too many watch this process"));
        }
        let (read, write) = file::unblocked_pipe()?;
        file::widen_pipe(write.as_fd(), PIPE_BYTES);
        self.0.push(write);
        Ok(read)
    }

    pub(super) fn tell(&self, notice: Notice) {
        for watcher in &self.0 {
            // One that does not read misses it; one that has left is let go of below.
            let _ = file::write_all(watcher.as_fd(), &notice.encode());
        }
    }

    /// What to poll for, so that those who leave are seen.
    pub(super) fn entries(&self) -> impl Iterator<Item = libc::pollfd> {
        self.0.iter().map(|watcher| libc::pollfd {
            events: 0,
            ..socket::readable(watcher.as_fd())
        })
    }

    /// Lets go of one that has left; false when `fd` is none of them.
    pub(super) fn forget(&mut self, fd: RawFd) -> bool {
        let before = self.0.len();
        self.0.retain(|watcher| watcher.as_raw_fd() != fd);
        self.0.len() < before
    }

    /// Tells all that it has ended.
    pub(super) fn part(&mut self) {
        self.0.clear();
    }
}
