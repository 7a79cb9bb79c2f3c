//! Files, directories and pipes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{again, check, cstring, errno, fresh};

/// The directory that relative paths start from.
pub(crate) fn here() -> BorrowedFd<'static> {
    // SAFETY: AT_FDCWD is not a descriptor that could be closed; the calls below know it.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}

/// Opens a path below `at`, close-on-exec.
pub(crate) fn open_at(at: BorrowedFd<'_>, path: &str, flags: i32) -> io::Result<OwnedFd> {
    let path = cstring(path)?;
    // SAFETY: the path is a live C string.
    let fd = unsafe {
        libc::openat(
            at.as_raw_fd(),
            path.as_ptr(),
            flags | libc::O_CLOEXEC,
            0o644,
        )
    };
    fresh(fd.into())
}

/// Opens a directory as a place to start from.
pub(crate) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let path = cstring(path.as_os_str().as_bytes())?;
    let flags = libc::O_DIRECTORY | libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the path is a live C string.
    fresh(unsafe { libc::open(path.as_ptr(), flags) }.into())
}

/// Opens a path strictly below `at`, following no symbolic link on the way.
pub(crate) fn open_beneath(at: BorrowedFd<'_>, path: &str, flags: i32) -> io::Result<OwnedFd> {
    let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    resolve_at(at, path, (flags, resolve))
}

/// As [`open_beneath`], and what is opened lies on the same mount as `at`: on its file system.
pub(crate) fn open_within(at: BorrowedFd<'_>, path: &str, flags: i32) -> io::Result<OwnedFd> {
    let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_XDEV;
    resolve_at(at, path, (flags, resolve))
}

fn resolve_at(at: BorrowedFd<'_>, path: &str, (flags, resolve): (i32, u64)) -> io::Result<OwnedFd> {
    let path = cstring(path)?;
    // SAFETY: open_how is plain numbers, for which zero is valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = if flags & libc::O_CREAT == 0 { 0 } else { 0o644 };
    how.resolve = resolve;
    let size = size_of::<libc::open_how>();
    // SAFETY: path and how are live, and size is how's.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            at.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size,
        )
    };
    fresh(fd)
}

/// Makes a directory; it may be there already.
pub(crate) fn mkdir_at(at: BorrowedFd<'_>, path: &str, mode: u32) -> io::Result<()> {
    let path = cstring(path)?;
    // SAFETY: the path is a live C string.
    match check(unsafe { libc::mkdirat(at.as_raw_fd(), path.as_ptr(), mode) }.into()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes a symbolic link.
pub(crate) fn symlink_at(target: &str, at: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    let (target, path) = (cstring(target)?, cstring(path)?);
    // SAFETY: both are live C strings.
    check(unsafe { libc::symlinkat(target.as_ptr(), at.as_raw_fd(), path.as_ptr()) }.into())
        .map(drop)
}

/// Sets the mode bits of a path.
pub(crate) fn chmod_at(at: BorrowedFd<'_>, path: &str, mode: u32) -> io::Result<()> {
    let path = cstring(path)?;
    // SAFETY: the path is a live C string.
    check(unsafe { libc::fchmodat(at.as_raw_fd(), path.as_ptr(), mode, 0) }.into()).map(drop)
}

/// Gives a path to a user and the group of the same number; a final link itself, not what it names.
pub(crate) fn chown_at(at: BorrowedFd<'_>, path: &str, uid: u32) -> io::Result<()> {
    let path = cstring(path)?;
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    // SAFETY: the path is a live C string.
    check(unsafe { libc::fchownat(at.as_raw_fd(), path.as_ptr(), uid, uid, flags) }.into())
        .map(drop)
}

/// Removes a file or, with AT_REMOVEDIR, an empty directory.
pub(crate) fn unlink_at(at: BorrowedFd<'_>, path: &str, flags: i32) -> io::Result<()> {
    let path = cstring(path)?;
    // SAFETY: the path is a live C string.
    check(unsafe { libc::unlinkat(at.as_raw_fd(), path.as_ptr(), flags) }.into()).map(drop)
}

/// Renames within one directory.
pub(crate) fn rename_at(at: BorrowedFd<'_>, from: &str, to: &str) -> io::Result<()> {
    let (from, to) = (cstring(from)?, cstring(to)?);
    let at = at.as_raw_fd();
    // SAFETY: both are live C strings.
    check(unsafe { libc::renameat(at, from.as_ptr(), at, to.as_ptr()) }.into()).map(drop)
}

/// Makes what was written to a file or directory durable.
pub(crate) fn sync(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fsync takes no pointers.
    check(unsafe { libc::fsync(fd.as_raw_fd()) }.into()).map(drop)
}

/// What the kernel says about an open file.
pub(crate) fn stat(fd: BorrowedFd<'_>) -> io::Result<libc::stat> {
    // SAFETY: stat is plain numbers, for which zero is valid.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: found is live and of the type that fstatat fills.
    let done = unsafe {
        libc::fstatat(
            fd.as_raw_fd(),
            c"".as_ptr(),
            &raw mut found,
            libc::AT_EMPTY_PATH,
        )
    };
    check(done.into()).map(|_| found)
}

/// Whether an open file is the device with these numbers, and nothing that stands in its place.
pub(crate) fn is_device(fd: BorrowedFd<'_>, major: u32, minor: u32) -> io::Result<bool> {
    let found = stat(fd)?;
    Ok(found.st_mode & libc::S_IFMT == libc::S_IFCHR
        && found.st_rdev == libc::makedev(major, minor))
}

/// The magic number of the file system at a path.
pub(crate) fn fs_magic(path: &Path) -> io::Result<i64> {
    let path = cstring(path.as_os_str().as_bytes())?;
    // SAFETY: statfs is plain numbers, for which zero is valid.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a live C string, and found is what statfs fills.
    check(unsafe { libc::statfs(path.as_ptr(), &raw mut found) }.into())
        .map(|_| found.f_type as i64)
}

/// Whether this user may change what is at a path.
pub(crate) fn may_write(path: &Path) -> bool {
    let Ok(path) = cstring(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: the path is a live C string.
    unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::W_OK, libc::AT_EACCESS) == 0 }
}

/// Writes all of `bytes`.
pub(crate) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = again(|| {
            // SAFETY: pointer and length are those of a live slice.
            check(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) } as i64)
        })?;
        bytes = &bytes[written as usize..];
    }
    Ok(())
}

/// Reads once; 0 bytes at the end.
pub(crate) fn read(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    again(|| {
        // SAFETY: pointer and length are those of a live, exclusive slice.
        check(unsafe { libc::read(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) } as i64)
    })
    .map(|count| count as usize)
}

/// Reads to the end, `most` bytes at most.
pub(crate) fn read_to_end(fd: BorrowedFd<'_>, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut part = [0u8; 4096];
    loop {
        let count = read(fd, &mut part)?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > most {
            return errno(libc::EFBIG);
        }
        bytes.extend_from_slice(&part[..count]);
    }
}

/// Writes a small file whole.
pub(crate) fn write_file(at: BorrowedFd<'_>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let file = open_at(at, path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)?;
    write_all(as_fd(&file), bytes)
}

/// Writes into a file of the kernel, which must exist.
pub(crate) fn write_knob(at: BorrowedFd<'_>, path: &str, text: &str) -> io::Result<()> {
    let file = open_at(at, path, libc::O_WRONLY)?;
    write_all(as_fd(&file), text.as_bytes())
}

/// Reads a small file of the kernel as text.
pub(crate) fn read_knob(at: BorrowedFd<'_>, path: &str) -> io::Result<String> {
    let file = open_at(at, path, libc::O_RDONLY)?;
    let bytes = read_to_end(as_fd(&file), 1 << 20)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The names in a directory, without the two that every one has.
pub(crate) fn names(at: BorrowedFd<'_>, path: &str) -> io::Result<Vec<String>> {
    let dir = open_at(at, path, libc::O_RDONLY | libc::O_DIRECTORY)?;
    // SAFETY: the stream takes the descriptor over, which nobody else closes.
    let stream = unsafe { libc::fdopendir(std::os::fd::IntoRawFd::into_raw_fd(dir)) };
    if stream.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut names = Vec::new();
    // SAFETY: the stream is live; an entry is valid until the next call, and its name a C string.
    while let Some(entry) = unsafe { libc::readdir(stream).as_ref() } {
        // SAFETY: as above.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.d_name.as_ptr()) };
        names.push(name.to_string_lossy().into_owned());
    }
    // SAFETY: the stream is live and not used again.
    unsafe { libc::closedir(stream) };
    names.retain(|name| name != "." && name != "..");
    Ok(names)
}

/// A pipe, close-on-exec: what is read from, what is written to.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: ends has room for both descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    Ok((fresh(ends[0].into())?, fresh(ends[1].into())?))
}

/// A file in memory that holds `bytes`, to be read from its beginning.
pub(crate) fn in_memory(name: &std::ffi::CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    let make = |flags: u32| {
        // SAFETY: the name is a C string.
        fresh(unsafe { libc::memfd_create(name.as_ptr(), flags | libc::MFD_CLOEXEC) }.into())
    };
    // A kernel may insist on being told that this is no program; an older one does not know how.
    let file = make(libc::MFD_NOEXEC_SEAL).or_else(|_| make(0))?;
    write_all(as_fd(&file), bytes)?;
    // SAFETY: lseek takes numbers.
    check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_SET) })?;
    Ok(file)
}

/// A pipe as [`pipe`], of which neither end ever makes its user wait.
pub(crate) fn unblocked_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: ends has room for both descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) }.into())?;
    Ok((fresh(ends[0].into())?, fresh(ends[1].into())?))
}

/// Something that becomes readable when the kernel says so.
pub(crate) fn event() -> io::Result<OwnedFd> {
    // SAFETY: eventfd takes numbers.
    fresh(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())
}

/// How many bytes wait in a pipe to be read.
pub(crate) fn unread(fd: BorrowedFd<'_>) -> u64 {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD fills one int, which is live.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD as _, &raw mut count) };
    match done {
        0 => u64::try_from(count).unwrap_or(0),
        _ => 0,
    }
}

/// Asks for a pipe of `bytes`; the kernel may refuse, which does no harm.
pub(crate) fn widen_pipe(fd: BorrowedFd<'_>, bytes: i32) {
    // SAFETY: F_SETPIPE_SZ takes a number.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
}

/// A short way to borrow.
pub(crate) fn as_fd(fd: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn only_the_device_itself_passes_for_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let table = [("/dev/null", true), ("/dev/zero", false), (path, false)];
        for (path, is) in table {
            let opened = open_at(here(), path, libc::O_PATH | libc::O_NOFOLLOW).unwrap();
            assert_eq!(is_device(opened.as_fd(), 1, 3).unwrap(), is, "{path}");
        }
    }

    #[test]
    fn what_lies_within_is_on_the_same_mount() {
        let root = open_dir("/".as_ref()).unwrap();
        let proc = open_dir("/proc".as_ref()).unwrap();
        assert!(open_within(proc.as_fd(), "version", libc::O_PATH).is_ok());
        let table = [
            (&root, "proc/version", libc::EXDEV),
            (&proc, "self/stat", libc::ELOOP),
            (&proc, "../etc", libc::EXDEV),
        ];
        for (at, path, code) in table {
            let error = open_within(at.as_fd(), path, libc::O_PATH).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(code), "{path}");
        }
    }
}
