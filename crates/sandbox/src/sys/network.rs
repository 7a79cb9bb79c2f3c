//! The one thing that a fresh network needs.

use std::io;
use std::os::fd::AsRawFd;

use super::{check, fresh};

/// Raises `lo` in the network namespace of this process.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let socket = fresh(unsafe { libc::socket(libc::AF_INET, kind, 0) }.into())?;
    // SAFETY: ifreq is plain data, for which zero is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as _;
    request.ifr_name[1] = b'o' as _;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as _;
    // SAFETY: the request is live and of the type that this ioctl reads.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) };
    check(done.into()).map(drop)
}
