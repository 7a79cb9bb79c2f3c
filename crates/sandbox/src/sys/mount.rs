//! The kernel's mount interface by descriptors (Linux 5.12 and later).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{check, cstring, fresh};

/// Attributes of a mount, as `mount_setattr` names them.
pub(crate) const READ_ONLY: u64 = 0x1;
pub(crate) const NO_SUID: u64 = 0x2;
pub(crate) const NO_DEV: u64 = 0x4;
pub(crate) const NO_EXEC: u64 = 0x8;
const IDMAP: u64 = 0x0010_0000;

const OPEN_TREE_CLONE: u32 = 1;
const AT_RECURSIVE: u32 = 0x8000;
const MOVE_FROM_EMPTY: u32 = 0x4;
const MOVE_TO_EMPTY: u32 = 0x40;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const SET_FLAG: u32 = 0;
const SET_STRING: u32 = 1;
const CREATE: u32 = 6;

#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Copies the mount at a path into a detached one; with everything mounted below if `deep`.
pub(crate) fn clone_tree(at: BorrowedFd<'_>, path: &str, deep: bool) -> io::Result<OwnedFd> {
    let path = cstring(path)?;
    let mut flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_EMPTY_PATH as u32;
    if deep {
        flags |= AT_RECURSIVE;
    }
    // SAFETY: the path is a live C string.
    fresh(unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), path.as_ptr(), flags) })
}

fn set_attributes(mount: BorrowedFd<'_>, deep: bool, to: &Attributes) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH as u32 | if deep { AT_RECURSIVE } else { 0 };
    let (empty, size) = (c"".as_ptr(), size_of::<Attributes>());
    // SAFETY: the attributes are live, and size is theirs.
    let done = unsafe {
        let to = std::ptr::from_ref(to);
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            empty,
            flags,
            to,
            size,
        )
    };
    check(done).map(drop)
}

/// Sets attributes on a mount, and on everything below it if `deep`.
pub(crate) fn set(mount: BorrowedFd<'_>, attributes: u64, deep: bool) -> io::Result<()> {
    let to = Attributes {
        set: attributes,
        clear: 0,
        propagation: 0,
        userns: 0,
    };
    set_attributes(mount, deep, &to)
}

/// Shows a detached mount's owners through the map of a user namespace.
pub(crate) fn set_idmap(mount: BorrowedFd<'_>, userns: BorrowedFd<'_>) -> io::Result<()> {
    let userns = userns.as_raw_fd() as u64;
    set_attributes(
        mount,
        false,
        &Attributes {
            set: IDMAP,
            clear: 0,
            propagation: 0,
            userns,
        },
    )
}

/// Puts a detached mount at a path.
pub(crate) fn attach(mount: BorrowedFd<'_>, at: BorrowedFd<'_>, path: &str) -> io::Result<()> {
    let path = cstring(path)?;
    let flags = MOVE_FROM_EMPTY | if path.is_empty() { MOVE_TO_EMPTY } else { 0 };
    let (from, to) = (mount.as_raw_fd(), at.as_raw_fd());
    // SAFETY: both paths are live C strings.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            from,
            c"".as_ptr(),
            to,
            path.as_ptr(),
            flags,
        )
    };
    check(done).map(drop)
}

/// Makes a file system of a kind, with options (an empty value is a flag), as a detached mount.
pub(crate) fn create(
    kind: &CStr,
    options: &[(&str, &str)],
    attributes: u64,
) -> io::Result<OwnedFd> {
    // SAFETY: kind is a C string.
    let fs = fresh(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    for (key, value) in options {
        configure(&fs, key, value)?;
    }
    let none = std::ptr::null::<u8>();
    // SAFETY: CREATE takes neither key nor value.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), CREATE, none, none, 0) })?;
    let fd = fs.as_raw_fd();
    // SAFETY: fsmount takes no pointers.
    fresh(unsafe { libc::syscall(libc::SYS_fsmount, fd, FSMOUNT_CLOEXEC, attributes as u32) })
}

fn configure(fs: &OwnedFd, key: &str, value: &str) -> io::Result<()> {
    let (key, text) = (cstring(key)?, cstring(value)?);
    let (command, text) = match value {
        "" => (SET_FLAG, std::ptr::null()),
        _ => (SET_STRING, text.as_ptr()),
    };
    // SAFETY: key and, where not null, text are live C strings.
    let done = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            fs.as_raw_fd(),
            command,
            key.as_ptr(),
            text,
            0,
        )
    };
    check(done).map(drop)
}

/// The classic `mount`, for what needs one call instead of three.
pub(crate) fn classic(source: &CStr, target: &CStr, flags: u64) -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: source and target are C strings; kind and data may be null for these flags.
    let done = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), none, flags, none.cast()) };
    check(done.into()).map(drop)
}

/// Mounts an overlay at a path, with the kernel's own option string.
pub(crate) fn overlay(target: &CStr, options: &str) -> io::Result<()> {
    let options = cstring(options)?;
    let (kind, flags) = (c"overlay".as_ptr(), libc::MS_NOSUID | libc::MS_NODEV);
    // SAFETY: all are live C strings.
    let done = unsafe { libc::mount(kind, target.as_ptr(), kind, flags, options.as_ptr().cast()) };
    check(done.into()).map(drop)
}

/// Makes the current directory the root of this mount namespace and drops the old root.
pub(crate) fn pivot_here() -> io::Result<()> {
    let dot = c".".as_ptr();
    // SAFETY: both paths are C strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, dot, dot) })?;
    // SAFETY: the path is a C string.
    check(unsafe { libc::umount2(dot, libc::MNT_DETACH) }.into()).map(drop)
}
