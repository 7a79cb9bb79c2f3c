//! Terminals for one-off processes.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PtySize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub cols: u16,
}

/// The two ends of a fresh terminal.
#[derive(Debug)]
pub struct Pty {
    /// The platform's end: what is written here is typed, what is read was printed.
    pub outer: OwnedFd,
    /// The process's end, for [`crate::Stdio::Terminal`].
    pub inner: OwnedFd,
}

impl Pty {
    /// Changes the size; the foreground process is told by SIGWINCH.
    pub fn resize(&self, size: PtySize) -> io::Result<()> {
        resize_pty(&self.outer, size)
    }
}

/// Changes the size of a terminal by its outer end.
pub fn resize_pty(outer: &OwnedFd, size: PtySize) -> io::Result<()> {
    let size = winsize(size);
    // SAFETY: the kernel reads one winsize from a live reference.
    match unsafe { libc::ioctl(outer.as_raw_fd(), libc::TIOCSWINSZ, &size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Opens a fresh terminal of the given size.
pub fn open_pty(size: PtySize) -> io::Result<Pty> {
    let size = winsize(size);
    let (mut outer, mut inner) = (-1, -1);
    // SAFETY: both descriptors are out-parameters; name and termios may be null.
    let done = unsafe {
        libc::openpty(
            &mut outer,
            &mut inner,
            std::ptr::null_mut(),
            std::ptr::null(),
            &size,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: openpty gave us both descriptors, and nobody else has them.
    let (outer, inner) = unsafe { (OwnedFd::from_raw_fd(outer), OwnedFd::from_raw_fd(inner)) };
    for end in [&outer, &inner] {
        // SAFETY: fcntl with F_SETFD takes no pointer.
        unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(Pty { outer, inner })
}

fn winsize(size: PtySize) -> libc::winsize {
    libc::winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
