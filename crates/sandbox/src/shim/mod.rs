//! The shim: the only parent that a sandboxed process has.
//!
//! One thread, no runtime. It makes the walls, starts init and the command inside them, and then
//! waits: for the end, and for those who ask. It holds the read end of the output pipe, which it
//! never reads, so that the app gets no SIGPIPE while nobody collects logs. When it dies, init
//! dies, and with init everything inside.

mod app;
mod bounds;
mod entrance;
mod failure;
mod gauge;
mod ground;
mod init;
mod keeper;
pub(crate) mod memory;
mod place;
mod sources;
mod start;
mod template;
mod tree;
mod visitors;
mod watchers;

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use crate::protocol;
use crate::sys::{file, process, socket};

/// A launch larger than this is no command but an accident.
const LONGEST_LAUNCH: usize = 16 << 20;

/// Runs the shim program: takes one request from standard input and does it. Never returns.
pub fn run() -> ! {
    process::close_range(3, u32::MAX);
    process::set_name(c"noon-shim");
    process::set_umask(0o022);
    let _ = serve();
    process::leave(1)
}

fn serve() -> io::Result<()> {
    let connection = take_connection()?;
    let mut message = [0; 256];
    let (length, fds) = socket::receive(connection.as_fd(), &mut message, 0)?;
    let (verb, fields) = protocol::open(&message[..length])?;
    match verb {
        protocol::TEMPLATE => give_template(&connection),
        protocol::LAUNCH => {
            let total = usize::try_from(protocol::only_number(fields)?).unwrap_or(usize::MAX);
            if process::fork()? > 0 {
                process::leave(0);
            }
            process::new_session()?;
            start::launch(connection, fds, total.min(LONGEST_LAUNCH))
        }
        _ => socket::send(
            connection.as_fd(),
            &protocol::refusal("unknown request", None),
            &[],
            0,
        ),
    }
}

/// Standard input is the launcher; programs started from here must find nothing there.
fn take_connection() -> io::Result<OwnedFd> {
    // SAFETY: the launcher gave us descriptor 0, and nothing else in this program uses it.
    let given = unsafe { OwnedFd::from_raw_fd(0) };
    let connection = process::duplicate_above(given.as_fd(), 3)?;
    std::mem::forget(given);
    let nothing = file::open_at(file::here(), "/dev/null", libc::O_RDWR)?;
    process::duplicate_onto(nothing.as_fd(), 0)?;
    Ok(connection)
}

fn give_template(connection: &OwnedFd) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    match template::build() {
        Ok((namespace, root)) => {
            let fds = [namespace.as_raw_fd(), root.as_raw_fd()];
            socket::send(
                connection.as_fd(),
                &protocol::plain(protocol::DONE),
                &fds,
                0,
            )
        }
        Err(failure) => refuse(connection, &failure),
    }
}

fn refuse(connection: &OwnedFd, failure: &failure::Failure) -> io::Result<()> {
    let message = protocol::refusal(&failure.step, failure.source.raw_os_error());
    socket::send(connection.as_fd(), &message, &[], 0)
}
