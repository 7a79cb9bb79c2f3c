//! Message sockets that carry descriptors.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{again, check, fresh};

/// The most descriptors that one message carries.
pub(crate) const MOST_FDS: usize = 16;
const KIND: i32 = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
const SPACE: usize = 128;

/// Room for ancillary data, aligned as the kernel wants it.
#[repr(align(8))]
struct Ancillary([u8; SPACE]);

/// A connected pair.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: ends has room for both descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, KIND, 0, ends.as_mut_ptr()) }.into())?;
    Ok((fresh(ends[0].into())?, fresh(ends[1].into())?))
}

fn address(path: &str) -> io::Result<libc::sockaddr_un> {
    // SAFETY: sockaddr_un is plain numbers, for which zero is valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as _;
    if path.len() >= address.sun_path.len() {
        return super::errno(libc::ENAMETOOLONG);
    }
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as _;
    }
    Ok(address)
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: socket takes no pointers.
    fresh(unsafe { libc::socket(libc::AF_UNIX, KIND, 0) }.into())
}

/// Listens at a path, reachable by the owner only.
pub(crate) fn listen(path: &str) -> io::Result<OwnedFd> {
    let (socket, address) = (socket()?, address(path)?);
    let size = size_of::<libc::sockaddr_un>() as u32;
    // SAFETY: umask takes a number; address is live and size its size.
    let bound = unsafe {
        let before = libc::umask(0o177);
        let bound = libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size);
        libc::umask(before);
        bound
    };
    check(bound.into())?;
    // SAFETY: listen takes numbers.
    check(unsafe { libc::listen(socket.as_raw_fd(), 64) }.into())?;
    set_nonblocking(socket.as_raw_fd());
    Ok(socket)
}

fn set_nonblocking(fd: RawFd) {
    // SAFETY: F_SETFL takes a number.
    unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
}

/// Connects to a path; neither that nor any word on the connection takes longer than `seconds`.
pub(crate) fn connect(path: &str, seconds: i64) -> io::Result<OwnedFd> {
    let (socket, address) = (socket()?, address(path)?);
    set_patience(socket.as_fd(), seconds);
    let size = size_of::<libc::sockaddr_un>() as u32;
    again(|| {
        // SAFETY: address is live and size its size.
        check(
            unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), size) }.into(),
        )
    })?;
    Ok(socket)
}

/// Accepts one connection.
pub(crate) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let none = std::ptr::null_mut();
    // SAFETY: the peer's address is not asked for.
    fresh(
        unsafe { libc::accept4(listener.as_raw_fd(), none, none.cast(), libc::SOCK_CLOEXEC) }
            .into(),
    )
}

/// Who is at the other end: for a client, the process that listens.
pub(crate) fn peer(fd: BorrowedFd<'_>) -> io::Result<libc::ucred> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: u32::MAX,
        gid: u32::MAX,
    };
    let mut size = size_of::<libc::ucred>() as u32;
    // SAFETY: peer is live and size its size.
    let done = unsafe {
        let to = (&raw mut peer).cast();
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            to,
            &raw mut size,
        )
    };
    check(done.into()).map(|_| peer)
}

/// A descriptor of the process at the other end (Linux 6.5 and later).
pub(crate) fn peer_process(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const SO_PEERPIDFD: i32 = 77;
    let mut process: RawFd = -1;
    let mut size = size_of::<RawFd>() as u32;
    // SAFETY: process is live and size its size.
    let done = unsafe {
        let to = (&raw mut process).cast();
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            to,
            &raw mut size,
        )
    };
    check(done.into())?;
    fresh(process.into())
}

/// Ends a conversation: whoever reads finds the end.
pub(crate) fn shut(fd: BorrowedFd<'_>) {
    // SAFETY: shutdown takes numbers.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Bounds how long sending and receiving may take.
pub(crate) fn set_patience(fd: BorrowedFd<'_>, seconds: i64) {
    let time = libc::timeval {
        tv_sec: seconds as _,
        tv_usec: 0,
    };
    let size = size_of::<libc::timeval>() as u32;
    for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        // SAFETY: time is live and size its size.
        unsafe {
            let from = (&raw const time).cast();
            libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, from, size);
        }
    }
}

/// Sends one message with descriptors.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8], fds: &[RawFd], flags: i32) -> io::Result<()> {
    let mut room = Ancillary([0; SPACE]);
    let mut part = libc::iovec {
        iov_base: bytes.as_ptr() as *mut _,
        iov_len: bytes.len(),
    };
    // SAFETY: msghdr is plain numbers and pointers, for which zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !fds.is_empty() {
        attach_fds(&mut message, &mut room, fds);
    }
    again(|| {
        let flags = flags | libc::MSG_NOSIGNAL;
        // SAFETY: the message points to live data only.
        check(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) } as i64)
    })
    .map(drop)
}

fn attach_fds(message: &mut libc::msghdr, room: &mut Ancillary, fds: &[RawFd]) {
    assert!(fds.len() <= MOST_FDS, "a message carries few descriptors");
    let size = size_of_val(fds) as u32;
    message.msg_control = room.0.as_mut_ptr().cast();
    // SAFETY: SPACE holds MOST_FDS descriptors, so the header and its data lie within the room.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(size) as _;
        let head = libc::CMSG_FIRSTHDR(message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(size) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr().cast(), libc::CMSG_DATA(head), size as usize);
    }
}

/// Receives one message into `into`: its length (0 at the end) and the descriptors it carried.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    into: &mut [u8],
    flags: i32,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = Ancillary([0; SPACE]);
    let mut part = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    // SAFETY: msghdr is plain numbers and pointers, for which zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = room.0.as_mut_ptr().cast();
    message.msg_controllen = SPACE as _;
    let count = again(|| {
        let flags = flags | libc::MSG_CMSG_CLOEXEC;
        // SAFETY: the message points to live, exclusive buffers with their true lengths.
        check(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) } as i64)
    })?;
    let fds = take_fds(&message);
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return super::errno(libc::EMSGSIZE);
    }
    Ok((count as usize, fds))
}

fn take_fds(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel filled the ancillary data; every header that these macros yield lies
    // within it, and each descriptor in it is fresh and ours alone.
    unsafe {
        let mut head = libc::CMSG_FIRSTHDR(message);
        while !head.is_null() {
            if (*head).cmsg_level == libc::SOL_SOCKET && (*head).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*head).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(head).cast::<RawFd>();
                for index in 0..bytes / size_of::<RawFd>() {
                    let number = data.add(index).read_unaligned();
                    fds.extend(fresh(number.into()));
                }
            }
            head = libc::CMSG_NXTHDR(message, head);
        }
    }
    fds
}

/// Waits until one of the descriptors has something to say; −1 waits for ever.
pub(crate) fn poll(set: &mut [libc::pollfd], timeout_ms: i32) -> io::Result<()> {
    again(|| {
        // SAFETY: pointer and length are those of a live, exclusive slice.
        check(unsafe { libc::poll(set.as_mut_ptr(), set.len() as _, timeout_ms) }.into())
    })
    .map(drop)
}

/// One entry for [`poll`] that waits for something to read.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }
}
