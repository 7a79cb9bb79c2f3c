//! A connection to one shim.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use crate::codec::Reader;
use crate::sys::{file, socket};
use crate::{Ended, Error, Notice, protocol};

/// How long a shim may take to answer, in seconds.
const PATIENCE: i64 = 10;

/// A connection to the shim of one process. Calls block for a moment at most.
#[derive(Debug)]
pub struct Shim {
    connection: OwnedFd,
    /// A pipe of our own into which the shim writes notices; from an older shim, one that all
    /// share and into which nothing is written.
    watch: OwnedFd,
}

/// What a shim knows of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The words that the launcher gave in [`crate::Spec::label`].
    pub label: Vec<u8>,
    /// The process that is pid 1 inside the walls, by its number outside.
    pub init_pid: u32,
    /// When the command was started, in microseconds since 1970.
    pub started_at_micros: i64,
    /// The kernel's name for this boot of the machine.
    pub boot_id: String,
    /// How the process ended, once it has.
    pub ended: Option<Ended>,
    /// Bytes in the output pipe that nobody has read.
    pub unread: u64,
    /// Whether somebody took note of the end; see [`Shim::note_end`].
    pub noted: bool,
}

impl Shim {
    /// Connects to the shim of `dir`; [`Error::Gone`] when nobody listens there.
    pub fn connect(dir: &Path) -> Result<Self, Error> {
        let connection = open(dir)?;
        // A shim of the previous version, or one that is watched by many, has but the shared pipe.
        let watch = match descriptor(&connection, "connect", protocol::WATCH) {
            Err(Error::Refused { .. }) => descriptor(&connection, "connect", protocol::STATUS),
            given => given,
        };
        watch.map(|watch| Self { connection, watch })
    }

    /// The connection over which the process was launched.
    pub(crate) fn launched(connection: OwnedFd, watch: OwnedFd) -> Self {
        socket::set_patience(connection.as_fd(), PATIENCE);
        Self { connection, watch }
    }

    /// Asks how the process is.
    pub fn status(&mut self) -> Result<Status, Error> {
        let request = protocol::plain(protocol::STATUS);
        Ok(ask(
            &self.connection,
            "tell its status",
            &request,
            protocol::read_status,
        )?
        .0)
    }

    /// Gives the read end of the output pipe; the shim keeps its own. Refused where there is none.
    pub fn output(&mut self) -> Result<OwnedFd, Error> {
        descriptor(&self.connection, "give the output pipe", protocol::OUTPUT)
    }

    /// Gives the network namespace of the process. Refused once the process has ended.
    pub fn netns(&mut self) -> Result<OwnedFd, Error> {
        let act = "give the network namespace";
        descriptor(&self.connection, act, protocol::NETNS)
    }

    /// Sends a signal to every process inside the walls; none are left to tell once it has ended.
    pub fn signal(&mut self, signal: i32) -> Result<(), Error> {
        let request = protocol::signal(signal);
        ask(&self.connection, "send a signal", &request, |_| Ok(())).map(drop)
    }

    /// Ends everything inside the walls, at once.
    pub fn kill(&mut self) -> Result<(), Error> {
        let request = protocol::plain(protocol::KILL);
        ask(&self.connection, "end the process", &request, |_| Ok(())).map(drop)
    }

    /// A descriptor that becomes readable when there is a notice, and when the process has ended or
    /// the shim has died; it stays readable after the end.
    ///
    /// Nobody reads from it but [`Shim::next_notice`], which tells the two apart. Without a
    /// `memory_quota` there are no notices.
    pub fn wait_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Takes the next notice; `None` once the process has ended or the shim has died.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when there is none at present: wait for [`Shim::wait_fd`].
    pub fn next_notice(&self) -> io::Result<Option<Notice>> {
        loop {
            // A pipe that is shared waits for ever when it is read, until it ends.
            let mut set = [socket::readable(self.watch.as_fd())];
            socket::poll(&mut set, 0)?;
            if set[0].revents == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut record = [0; Notice::LENGTH];
            match file::read(self.watch.as_fd(), &mut record)? {
                0 => return Ok(None),
                // What a newer shim says beyond what is known here is left out.
                _ => match Notice::decode(record) {
                    Some(notice) => return Ok(Some(notice)),
                    None => continue,
                },
            }
        }
    }

    /// Tells the shim that the end was taken note of. It then leaves as soon as all that was printed
    /// has been read, or ten minutes after the end. Refused before the end, and by an older shim.
    pub fn note_end(&mut self) -> Result<(), Error> {
        let request = protocol::plain(protocol::NOTE);
        ask(&self.connection, "note the end", &request, |_| Ok(())).map(drop)
    }

    /// Tells the shim to leave, with what was printed and not read. Refused before the end.
    pub fn dismiss(self) -> Result<(), Error> {
        let request = protocol::plain(protocol::DISMISS);
        ask(&self.connection, "leave", &request, |_| Ok(())).map(drop)
    }
}

fn descriptor(connection: &OwnedFd, act: &'static str, verb: u8) -> Result<OwnedFd, Error> {
    let mut fds = ask(connection, act, &protocol::plain(verb), |_| Ok(()))?.1;
    fds.pop().ok_or_else(|| missing(act))
}

fn missing(act: &'static str) -> Error {
    Error::Talk {
        act,
        source: io::Error::from(io::ErrorKind::InvalidData),
    }
}

/// A fresh connection to the shim of `dir`, on which nothing takes for ever.
pub(crate) fn open(dir: &Path) -> Result<OwnedFd, Error> {
    reach(dir).map_err(|source| match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ECONNREFUSED) => Error::Gone(dir.to_owned()),
        _ => Error::Talk {
            act: "connect",
            source,
        },
    })
}

/// The path goes through the directory's descriptor: it may be longer than a socket's address.
fn reach(dir: &Path) -> io::Result<OwnedFd> {
    let dir = file::open_dir(dir)?;
    let name = protocol::SOCKET;
    let path = format!("/proc/self/fd/{}/{name}", dir.as_raw_fd());
    socket::connect(&path, PATIENCE)
}

/// One request, one answer. After a question that had no answer nothing more can be said: a late
/// answer would be taken for that to the next.
fn ask<T>(
    connection: &OwnedFd,
    act: &'static str,
    request: &[u8],
    read: impl FnOnce(Reader<'_>) -> io::Result<T>,
) -> Result<(T, Vec<OwnedFd>), Error> {
    exchange(connection, act, request, read).inspect_err(|error| {
        if matches!(error, Error::Talk { .. }) {
            socket::shut(connection.as_fd());
        }
    })
}

fn exchange<T>(
    connection: &OwnedFd,
    act: &'static str,
    request: &[u8],
    read: impl FnOnce(Reader<'_>) -> io::Result<T>,
) -> Result<(T, Vec<OwnedFd>), Error> {
    let talk = |source| Error::Talk { act, source };
    socket::send(connection.as_fd(), request, &[], 0).map_err(talk)?;
    let mut answer = vec![0; protocol::LONGEST];
    let (length, fds) = socket::receive(connection.as_fd(), &mut answer, 0).map_err(talk)?;
    if length == 0 {
        return Err(talk(io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    match protocol::open(&answer[..length]).map_err(talk)? {
        (protocol::DONE, fields) => Ok((read(fields).map_err(talk)?, fds)),
        (_, fields) => {
            let reason = protocol::read_refusal(fields).map_err(talk)?.reason;
            Err(Error::Refused { act, reason })
        }
    }
}
