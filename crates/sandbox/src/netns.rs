//! Sockets made inside another network.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Makes an unconnected, non-blocking TCP socket inside a network namespace, for IPv6 or IPv4.
///
/// This thread enters the namespace and returns at once. Needs CAP_SYS_ADMIN over the namespace.
pub fn socket_in(netns: BorrowedFd<'_>, v6: bool) -> io::Result<OwnedFd> {
    let home = std::fs::File::open("/proc/thread-self/ns/net")?;
    enter(netns.as_raw_fd())?;
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let made = match unsafe { libc::socket(family, kind, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel just gave this descriptor to us alone.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    };
    if enter(home.as_raw_fd()).is_err() {
        // A thread left in an app's network would carry the platform's own sockets into it.
        std::process::abort();
    }
    made
}

fn enter(fd: i32) -> io::Result<()> {
    // SAFETY: setns takes no pointers.
    match unsafe { libc::setns(fd, libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
