//! A command let into a running sandbox.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::codec::Reader;
use crate::envelope::{Envelope, empty};
use crate::launch::wire;
use crate::sys::{file, socket};
use crate::{Ended, Error, ExecSpec, Shim, Spec, Stdio, check, client, protocol};

/// A command that runs inside the walls of another process, under the very same lock-down.
///
/// It ends with the process, and with this value: dropped before the end, the command is told by
/// SIGHUP and, a few seconds later, by SIGKILL.
#[derive(Debug)]
pub struct Exec {
    connection: OwnedFd,
}

impl Shim {
    /// Starts a command inside the sandbox whose shim listens in `dir`; returns once it was exec'ed.
    ///
    /// It sees what the process sees, counts into its limits and gets its signals, and ends with
    /// it; its own end is no end of the process. A few may run at once.
    ///
    /// # Errors
    /// [`Error::Gone`] when nobody listens there, [`Error::Spec`] when the spec asks for what cannot
    /// be, [`Error::Enter`] with the step that failed, [`Error::Refused`] when the process has ended,
    /// too many commands are inside, or the shim is too old to let one in.
    pub fn exec(dir: &Path, spec: &ExecSpec, stdio: Stdio) -> Result<Exec, Error> {
        check::exec(spec)?;
        let (wiring, stdio) = wire(stdio);
        if stdio.is_empty() {
            let complaint = "a command inside a running sandbox needs descriptors of its own";
            return Err(Error::Spec(complaint.to_owned()));
        }
        let envelope = Envelope {
            spec: Spec {
                argv: spec.argv.clone(),
                env: spec.env.clone(),
                cwd: spec.cwd.clone(),
                ..empty()
            },
            wiring,
            nested: false,
            directory: Default::default(),
            lent: None,
        };
        let words = file::in_memory(c"noon-exec", &envelope.encode()).map_err(talk)?;
        let fds: Vec<_> = [&words]
            .into_iter()
            .chain(&stdio)
            .map(AsRawFd::as_raw_fd)
            .collect();
        let connection = client::open(dir)?;
        let request = protocol::plain(protocol::EXEC);
        socket::send(connection.as_fd(), &request, &fds, 0).map_err(talk)?;
        receive(&connection, |_| Ok(()))?;
        socket::set_patience(connection.as_fd(), 0);
        Ok(Exec { connection })
    }
}

impl Exec {
    /// A descriptor that becomes readable when the command has ended or the shim has died.
    pub fn wait_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    /// Sends a signal to the command and what it runs in its own process group.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        self.say(&protocol::signal(signal))
    }

    /// Ends the command and what it runs in its own process group, at once.
    pub fn kill(&self) -> Result<(), Error> {
        self.say(&protocol::plain(protocol::KILL))
    }

    /// Waits until the command has ended; blocks unless [`Self::wait_fd`] is readable.
    ///
    /// # Errors
    /// [`Error::Talk`] when the shim died; with it the command has ended too.
    pub fn wait(self) -> Result<Ended, Error> {
        let ended = receive(&self.connection, |fields| {
            Ok(protocol::read_status(fields)?.ended)
        })?;
        ended.ok_or_else(|| talk(io::Error::from(io::ErrorKind::InvalidData)))
    }

    /// One that has ended hears nothing, which is no error.
    fn say(&self, words: &[u8]) -> Result<(), Error> {
        match socket::send(self.connection.as_fd(), words, &[], libc::MSG_DONTWAIT) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            said => said.map_err(talk),
        }
    }
}

fn talk(source: io::Error) -> Error {
    Error::Talk { act: ACT, source }
}

/// What is asked of the shim.
const ACT: &str = "run a command inside";

/// Waits for the next word of the shim.
fn receive<T>(
    connection: &OwnedFd,
    read: impl FnOnce(Reader<'_>) -> io::Result<T>,
) -> Result<T, Error> {
    let mut answer = vec![0; protocol::LONGEST];
    let (length, _) = socket::receive(connection.as_fd(), &mut answer, 0).map_err(talk)?;
    if length == 0 {
        return Err(talk(io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    match protocol::open(&answer[..length]).map_err(talk)? {
        (protocol::DONE, fields) => read(fields).map_err(talk),
        (_, fields) => {
            let refusal = protocol::read_refusal(fields).map_err(talk)?;
            Err(match refusal.errno {
                Some(code) => Error::Enter {
                    step: refusal.reason,
                    source: io::Error::from_raw_os_error(code),
                },
                None => Error::Refused {
                    act: ACT,
                    reason: refusal.reason,
                },
            })
        }
    }
}
