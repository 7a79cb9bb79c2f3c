//! Sockets made inside another network.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use crate::rootless;
use crate::sys::fresh;

/// Makes an unconnected, non-blocking TCP socket inside a network namespace, for IPv6 or IPv4.
///
/// As real root this thread enters the namespace and returns at once. In a user namespace there is
/// no way back into the host's network, so that a thread of its own goes, and stays there.
///
/// # Errors
/// Those of `setns` and `socket`: above all EPERM without power over the namespace.
pub fn socket_in(netns: BorrowedFd<'_>, v6: bool) -> io::Result<OwnedFd> {
    match rootless::is_nested() {
        false => there_and_back(netns, v6),
        true => std::thread::scope(|scope| {
            let errand = scope.spawn(|| {
                enter(netns.as_raw_fd())?;
                socket(v6)
            });
            errand
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the errand fell")))
        }),
    }
}

fn there_and_back(netns: BorrowedFd<'_>, v6: bool) -> io::Result<OwnedFd> {
    let home = std::fs::File::open("/proc/thread-self/ns/net")?;
    enter(netns.as_raw_fd())?;
    let made = socket(v6);
    if enter(home.as_raw_fd()).is_err() {
        // A thread left in an app's network would carry the platform's own sockets into it.
        std::process::abort();
    }
    made
}

fn socket(v6: bool) -> io::Result<OwnedFd> {
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    fresh(unsafe { libc::socket(family, kind, 0) }.into())
}

fn enter(fd: i32) -> io::Result<()> {
    // SAFETY: setns takes no pointers.
    match unsafe { libc::setns(fd, libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
