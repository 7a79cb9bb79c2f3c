//! Running without being root: a user namespace to be root of.

use crate::Error;

/// As whom the platform runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The real root: every app has a real user id of its own.
    Root,
    /// Root of a user namespace with a range of further ids from `/etc/subuid`.
    RootlessRange {
        /// How many ids beside 0 there are.
        count: u32,
    },
    /// Root of a user namespace in which nobody else exists; walls keep apps apart, not ids.
    RootlessSingle,
}

/// Makes this process root of a user and mount namespace of its own, when it is not the real root.
///
/// To be called first thing, before there is a second thread. Idempotent.
pub fn enter_rootless() -> Result<Mode, Error> {
    // SAFETY: geteuid cannot fail and takes nothing.
    match unsafe { libc::geteuid() } {
        0 => Ok(Mode::Root),
        _ => Err(Error::Rootless {
            step: "unshare",
            source: std::io::Error::from(std::io::ErrorKind::Unsupported),
        }),
    }
}
