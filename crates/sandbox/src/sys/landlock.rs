//! The kernel's Landlock by raw calls: three of them are not worth a library in every shim.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{check, fresh};

pub(crate) const EXECUTE: u64 = 1 << 0;
pub(crate) const WRITE_FILE: u64 = 1 << 1;
pub(crate) const READ_FILE: u64 = 1 << 2;
pub(crate) const READ_DIR: u64 = 1 << 3;
pub(crate) const REMOVE_DIR: u64 = 1 << 4;
pub(crate) const REMOVE_FILE: u64 = 1 << 5;
pub(crate) const MAKE_CHAR: u64 = 1 << 6;
pub(crate) const MAKE_DIR: u64 = 1 << 7;
pub(crate) const MAKE_REG: u64 = 1 << 8;
pub(crate) const MAKE_SOCK: u64 = 1 << 9;
pub(crate) const MAKE_FIFO: u64 = 1 << 10;
pub(crate) const MAKE_BLOCK: u64 = 1 << 11;
pub(crate) const MAKE_SYM: u64 = 1 << 12;
/// Moves and links from one directory to another; refused by any set of rules that is silent.
pub(crate) const REFER: u64 = 1 << 13;
/// Since the third version.
pub(crate) const TRUNCATE: u64 = 1 << 14;
/// Since the fifth version.
pub(crate) const IOCTL_DEV: u64 = 1 << 15;
/// What a rule for a file that is no directory may speak of.
pub(crate) const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/// Since the sixth version.
pub(crate) const SCOPE_ABSTRACT_SOCKETS: u64 = 1 << 0;
/// Since the sixth version.
pub(crate) const SCOPE_SIGNALS: u64 = 1 << 1;

const GET_VERSION: u32 = 1;
const PATH_BENEATH: u32 = 1;

#[repr(C)]
struct Attributes {
    files: u64,
    network: u64,
    scopes: u64,
}

#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// Which version of it this kernel has; 0 where it has none or it is turned off.
pub(crate) fn version() -> u32 {
    let none = std::ptr::null::<u8>();
    // SAFETY: asking for the version takes a null pointer and a size of 0.
    let found = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0, GET_VERSION) };
    u32::try_from(found).unwrap_or(0)
}

/// A set of rules: what it speaks of is refused wherever no rule allows it.
pub(crate) struct Ruleset {
    fd: OwnedFd,
    files: u64,
}

impl Ruleset {
    /// A set that speaks of these accesses to files, and shuts these scopes.
    pub(crate) fn new(files: u64, scopes: u64) -> io::Result<Self> {
        let attributes = Attributes {
            files,
            network: 0,
            scopes,
        };
        let (from, size) = (&raw const attributes, size_of::<Attributes>());
        // SAFETY: the attributes are live, and size is theirs. A kernel that knows fewer takes
        // those that it does not know for absent, since they are zero then.
        let made = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, from, size, 0) };
        fresh(made).map(|fd| Self { fd, files })
    }

    /// Allows accesses to a file, or to a directory and all below it.
    pub(crate) fn allow(&self, at: BorrowedFd<'_>, accesses: u64) -> io::Result<()> {
        let rule = Beneath {
            allowed: accesses & self.files,
            parent: at.as_raw_fd(),
        };
        let (set, from) = (self.fd.as_raw_fd(), &raw const rule);
        // SAFETY: the rule is live and of the type that PATH_BENEATH names.
        check(unsafe { libc::syscall(libc::SYS_landlock_add_rule, set, PATH_BENEATH, from, 0) })
            .map(drop)
    }
}

impl AsRawFd for Ruleset {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Puts this process and all it will start under rules, for good.
pub(crate) fn enforce(rules: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: landlock_restrict_self takes numbers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) })
        .map(drop)
}
