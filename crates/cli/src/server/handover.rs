//! The parent's socket: roles come, say who they are, and are given their listeners.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Listens where roles come to. A socket that an earlier parent left is replaced.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => with_short_path(path, |short| UnixListener::bind(short)),
    }
}

/// A role's side: says who it is, and is given what it listens on, if anything.
pub fn ask(path: &Path, role: u8) -> io::Result<(UnixStream, Option<TcpListener>)> {
    let mut stream = with_short_path(path, |short| UnixStream::connect(short))?;
    stream.write_all(&[role])?;
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut byte)];
    let got = recvmsg(&stream, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let listener = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((stream, listener.map(TcpListener::from)))
}

/// The parent's side: gives a role its listener, or nothing.
pub fn give(stream: &UnixStream, listener: Option<&TcpListener>) -> io::Result<()> {
    let fds: Vec<BorrowedFd<'_>> = listener.iter().map(|listener| listener.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    sendmsg(
        stream,
        &[IoSlice::new(b"+")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Unix sockets have names of at most 107 bytes; through a descriptor of the directory, any do.
fn with_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    use std::os::fd::AsRawFd;
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir: OwnedFd = std::fs::File::open(dir)?.into();
    act(&Path::new(&format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
}
