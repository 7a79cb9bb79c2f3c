//! Mount points that do not exist yet.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::file;

/// A mount point to be made.
pub(super) struct Place<'a> {
    /// Its path, relative to where it is made.
    pub(super) path: &'a str,
    pub(super) is_directory: bool,
    /// Who is to own what is made.
    pub(super) owner: u32,
}

impl Place<'_> {
    /// Finds or makes the place below `root`, one part at a time, following no link.
    pub(super) fn make(&self, root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let mut at = file::open_beneath(root, ".", libc::O_PATH)?;
        let mut parts = self
            .path
            .split('/')
            .filter(|part| !part.is_empty())
            .peekable();
        while let Some(part) = parts.next() {
            self.make_part(&at, part, self.is_directory || parts.peek().is_some())?;
            at = file::open_beneath(at.as_fd(), part, libc::O_PATH)?;
        }
        Ok(at)
    }

    fn make_part(&self, at: &OwnedFd, part: &str, is_directory: bool) -> io::Result<()> {
        // What is there already keeps its owner, and is not copied for its sake.
        if file::open_beneath(at.as_fd(), part, libc::O_PATH).is_ok() {
            return Ok(());
        }
        match is_directory {
            true => file::mkdir_at(at.as_fd(), part, 0o755)?,
            false => {
                let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
                drop(file::open_beneath(at.as_fd(), part, flags)?);
            }
        }
        file::chown_at(at.as_fd(), part, self.owner)
    }
}
