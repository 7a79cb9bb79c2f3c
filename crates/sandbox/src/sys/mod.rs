//! Thin, safe faces of the system calls that walls are made of. No policy lives here.

pub(crate) mod file;
pub(crate) mod landlock;
pub(crate) mod mount;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod socket;

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Turns a return value of -1 into the error that `errno` names.
pub(crate) fn check(returned: i64) -> io::Result<i64> {
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}

/// Takes ownership of a descriptor that the kernel has just made, or of the error.
pub(crate) fn fresh(returned: i64) -> io::Result<OwnedFd> {
    let fd = check(returned)? as RawFd;
    // SAFETY: callers pass the result of a call that made a new descriptor, known to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Repeats a call that a signal interrupted.
pub(crate) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The error that `code` names.
pub(crate) fn errno<T>(code: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(code))
}

/// A string as the kernel takes it; EINVAL when it holds a NUL.
pub(crate) fn cstring(text: impl AsRef<[u8]>) -> io::Result<CString> {
    CString::new(text.as_ref()).or_else(|_| errno(libc::EINVAL))
}
