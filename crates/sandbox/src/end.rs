//! Ending a sandbox whose shim does not answer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::sys::{process, socket};
use crate::{Error, cgroup, client};

/// How long a shim may take to be gone after SIGKILL, in milliseconds.
const PATIENCE_MS: i32 = 10_000;

/// Ends everything inside the sandbox of `dir` and its shim too, without asking the shim.
///
/// For a shim that hangs or was stopped: [`crate::Shim::kill`] is the way to end one that answers.
/// It leaves no exit file; what it leaves otherwise is for [`crate::clear`]. Blocks until the shim
/// is gone.
///
/// # Errors
/// [`Error::Gone`] when nobody listens there: then nothing is inside any more. [`Error::Talk`] when
/// the shim cannot be found out or ended.
pub fn end(dir: &Path) -> Result<(), Error> {
    let talk = |source| Error::Talk { act: ACT, source };
    let directory = dir.canonicalize().map_err(talk)?;
    let shim = shim_of(dir);
    // Even where the shim cannot be found out, as much as there is a v2 tree for.
    cgroup::kill(&directory);
    let shim = shim?;
    match process::signal_fd(shim.as_fd(), libc::SIGKILL) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(talk(error)),
        _ => {}
    }
    let mut set = [socket::readable(shim.as_fd())];
    socket::poll(&mut set, PATIENCE_MS).map_err(talk)?;
    match set[0].revents {
        0 => Err(talk(io::Error::from(io::ErrorKind::TimedOut))),
        _ => Ok(()),
    }
}

/// What is asked for.
const ACT: &str = "be ended";

/// The process that listens in a directory; never another that got its number.
pub(crate) fn shim_of(dir: &Path) -> Result<OwnedFd, Error> {
    let talk = |source| Error::Talk { act: ACT, source };
    let connection = client::open(dir)?;
    if let Ok(shim) = socket::peer_process(connection.as_fd()) {
        return Ok(shim);
    }
    // An older kernel knows the number only. Who listens with it before and after it was opened
    // has had it all the while.
    let pid = socket::peer(connection.as_fd()).map_err(talk)?.pid;
    let shim = process::open(pid).map_err(talk)?;
    let again = socket::peer(client::open(dir)?.as_fd()).map_err(talk)?.pid;
    match again == pid {
        true => Ok(shim),
        false => Err(Error::Gone(dir.to_owned())),
    }
}
