//! One pipe of one process, from its bytes to its lines.

use std::os::fd::OwnedFd;

use noon_domain::{AppId, LogSource, Stream, Timestamp};
use rustix::io::Errno;

use crate::frame::Flags;
use crate::ring::{Entry, Ring};
use crate::rings::Rings;
use crate::split::{End, Splitter};

/// How many bytes may wait in a pipe until its process has to. More would soon use up what Linux
/// allows a user without privileges for all pipes together.
const PIPE_BYTES: usize = 256 * 1024;

/// The output of one process, as whoever holds it hands it to the collector.
#[derive(Debug)]
pub struct Pipe {
    /// The end to read from. It is read without waiting, and closed at its end.
    pub fd: OwnedFd,
    /// Whose process it is.
    pub app: AppId,
    /// The process's name: `web.1`.
    pub process: String,
    /// What the process writes there; `Stdout` for both in one, which keeps their order.
    pub stream: Stream,
}

/// What a read brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Got {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The end.
    End,
}

/// A pipe being read.
#[derive(Debug)]
pub(crate) struct Intake {
    pipe: Pipe,
    /// Which pipe it is, however often its descriptor was duplicated.
    identity: (u64, u64),
    splitter: Splitter,
}

impl Intake {
    /// Takes a pipe.
    pub(crate) fn new(pipe: Pipe) -> rustix::io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&pipe.fd)?;
        rustix::fs::fcntl_setfl(&pipe.fd, flags | rustix::fs::OFlags::NONBLOCK)?;
        // A wish: what is no pipe, and a user with too many, go without.
        if rustix::pipe::fcntl_getpipe_size(&pipe.fd).is_ok_and(|bytes| bytes < PIPE_BYTES) {
            let _ = rustix::pipe::fcntl_setpipe_size(&pipe.fd, PIPE_BYTES);
        }
        let identity = identity(&pipe.fd)?;
        Ok(Self {
            pipe,
            identity,
            splitter: Splitter::default(),
        })
    }

    /// Which pipe it is.
    pub(crate) const fn identity(&self) -> (u64, u64) {
        self.identity
    }

    /// The descriptor.
    pub(crate) const fn fd(&self) -> &OwnedFd {
        &self.pipe.fd
    }

    /// Whose output it is.
    pub(crate) const fn app(&self) -> AppId {
        self.pipe.app
    }

    /// Whether it is the output of this process.
    pub(crate) fn is_of(&self, app: AppId, process: &str) -> bool {
        self.pipe.app == app && self.pipe.process == process
    }

    /// Reads once and keeps every line that was ended, and at the end also the last.
    pub(crate) fn read(&mut self, buffer: &mut [u8], rings: &mut Rings) -> Got {
        let got = match rings.of(self.pipe.app) {
            Some(ring) => self.read_into(buffer, ring),
            // A destroyed app's: it goes nowhere, but the process is not held up.
            None => rustix::io::read(&self.pipe.fd, buffer),
        };
        match got {
            Ok(count @ 1..) => Got::Bytes(count),
            Err(Errno::AGAIN | Errno::INTR) => Got::Nothing,
            Ok(0) | Err(_) => {
                self.flush(Flags::NO_NEWLINE, rings);
                Got::End
            }
        }
    }

    /// Reads and keeps. What waits in the pipe is noted before it is read, and no more is read: a
    /// kill may come between any two instructions, and the next collector then knows how much
    /// this one may have taken with it.
    fn read_into(&mut self, buffer: &mut [u8], ring: &mut Ring) -> rustix::io::Result<usize> {
        let waiting = rustix::io::ioctl_fionread(&self.pipe.fd).unwrap_or(0);
        let waiting = usize::try_from(waiting)
            .unwrap_or(buffer.len())
            .min(buffer.len());
        let most = if waiting == 0 { buffer.len() } else { waiting };
        let before = ring.in_flight();
        ring.set_in_flight(before + waiting as u64);
        let got = rustix::io::read(&self.pipe.fd, &mut buffer[..most]);
        let mut splitter = std::mem::take(&mut self.splitter);
        let others = before.saturating_sub(splitter.open().len() as u64);
        self.split(&mut splitter, &buffer[..got.unwrap_or(0)], ring);
        ring.flush();
        ring.set_in_flight(others + splitter.open().len() as u64);
        self.splitter = splitter;
        got
    }

    /// Keeps the line that is still open, and says by `flag` why it has no end.
    pub(crate) fn flush(&mut self, flag: Flags, rings: &mut Rings) {
        let open = self.splitter.finish();
        if open.is_empty() {
            return;
        }
        if let Some(ring) = rings.of(self.pipe.app) {
            ring.append(&self.entry(Timestamp::now(), flag, &open));
            ring.flush();
            ring.set_in_flight(ring.in_flight().saturating_sub(open.len() as u64));
        }
    }

    fn split(&self, splitter: &mut Splitter, bytes: &[u8], ring: &mut Ring) {
        let at = Timestamp::now();
        splitter.feed(bytes, |piece, end| {
            let flag = match end {
                End::Newline => Flags::NONE,
                End::TooLong => Flags::SPLIT,
            };
            ring.append(&self.entry(at, flag, piece));
        });
    }

    fn entry<'a>(&'a self, at: Timestamp, flag: Flags, text: &'a [u8]) -> Entry<'a> {
        let stream = match self.pipe.stream {
            Stream::Stdout => Flags::NONE,
            Stream::Stderr => Flags::STDERR,
        };
        Entry {
            at,
            source: LogSource::App,
            flags: flag.with(stream),
            process: self.pipe.process.as_bytes(),
            text,
        }
    }
}

/// What stays the same through all duplicates of a descriptor.
pub(crate) fn identity(fd: &OwnedFd) -> rustix::io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}
