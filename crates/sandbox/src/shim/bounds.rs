//! The second layer of the walls, by Landlock: where an app may write, and whom it may reach.
//!
//! It holds by itself, whatever becomes of mounts, users and namespaces: what is not below the
//! app's own root cannot be opened, even through a descriptor that was left open by mistake, and
//! what is not meant to be written (above all `/proc` and `/sys`) is not, even were it mounted so.
//! Best effort: a kernel that has no Landlock of the second version, the first with which files
//! can be moved between directories, goes without, and `probe` says so.
//!
//! A command that is let in later is not below it: in bounds of its own it could neither signal
//! the app nor look into its `/proc`, which is what it came for. The app cannot reach such a
//! command, since Landlock keeps it from all that is not in its own bounds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::Spec;
use crate::sys::file::{self, here};
use crate::sys::landlock::{self, Ruleset};

const READ: u64 = landlock::EXECUTE | landlock::READ_FILE | landlock::READ_DIR;
/// All that can be done to files, but the making of devices.
const WRITE: u64 = READ
    | landlock::WRITE_FILE
    | landlock::REMOVE_DIR
    | landlock::REMOVE_FILE
    | landlock::MAKE_DIR
    | landlock::MAKE_REG
    | landlock::MAKE_SOCK
    | landlock::MAKE_FIFO
    | landlock::MAKE_SYM
    | landlock::REFER
    | landlock::TRUNCATE;
const USE: u64 = READ | landlock::WRITE_FILE | landlock::TRUNCATE | landlock::IOCTL_DEV;
/// Where everyone may write; `/var/tmp` is a link.
const WRITABLE: [&str; 3] = ["/app", "/tmp", "/dev/shm"];

/// The bounds of an app, once everything is mounted; `None` where the kernel cannot set them.
pub(super) fn of(spec: &Spec, stdio: &[BorrowedFd<'_>]) -> io::Result<Option<Ruleset>> {
    let version = landlock::version();
    if version < 2 {
        return Ok(None);
    }
    let rules = Ruleset::new(files(version), scopes(version))?;
    let allow = |path: &str, accesses| {
        let at = file::open_at(here(), path, libc::O_PATH)?;
        allow(&rules, at.as_fd(), accesses)
    };
    allow("/", READ)?;
    allow("/dev", USE)?;
    for path in WRITABLE {
        allow(path, WRITE)?;
    }
    for bind in spec.mounts.iter().filter(|bind| bind.writable) {
        allow(&bind.target.to_string_lossy(), WRITE)?;
    }
    // A path through /proc/self/fd leads to where these lie outside.
    for fd in stdio {
        match allow_file(&rules, *fd) {
            // A pipe or a socket is nowhere, and in nobody's bounds.
            Err(error) if error.raw_os_error() == Some(libc::EBADFD) => {}
            done => done?,
        }
    }
    Ok(Some(rules))
}

fn allow(rules: &Ruleset, at: BorrowedFd<'_>, accesses: u64) -> io::Result<()> {
    match rules.allow(at, accesses) {
        // A bind may be a single file.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            rules.allow(at, accesses & landlock::OF_FILES)
        }
        done => done,
    }
}

fn allow_file(rules: &Ruleset, at: BorrowedFd<'_>) -> io::Result<()> {
    rules.allow(at, USE & landlock::OF_FILES)
}

/// What the rules of a version speak of: all that it knows.
fn files(version: u32) -> u64 {
    let known = WRITE | landlock::MAKE_CHAR | landlock::MAKE_BLOCK | landlock::IOCTL_DEV;
    let later = [(3, landlock::TRUNCATE), (5, landlock::IOCTL_DEV)];
    let unknown = later.into_iter().filter(|(since, _)| version < *since);
    unknown.fold(known, |known, (_, access)| known & !access)
}

fn scopes(version: u32) -> u64 {
    match version {
        0..6 => 0,
        _ => landlock::SCOPE_ABSTRACT_SOCKETS | landlock::SCOPE_SIGNALS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_asked_only_for_what_it_knows() {
        assert_eq!((files(2), scopes(2)), ((1 << 14) - 1, 0));
        assert_eq!((files(3), scopes(3)), ((1 << 15) - 1, 0));
        assert_eq!((files(4), scopes(5)), ((1 << 15) - 1, 0));
        assert_eq!((files(5), scopes(6)), ((1 << 16) - 1, 3));
        assert_eq!((files(99), scopes(99)), ((1 << 16) - 1, 3));
    }
}
