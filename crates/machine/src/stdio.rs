//! What an attended process reads and writes: pipes or a terminal on its side, the caller's
//! function and channel on ours. Two plain threads carry the bytes, for both of the caller's ends
//! may block.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use noon_domain::{Input, Io, OutputFn, Stream, WindowSize};
use noon_sandbox::{PtySize, Stdio};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

use crate::Error;
use crate::post::Order;

/// How often the carriers look whether their work is done.
const GLANCE: Duration = Duration::from_millis(100);
/// How long input waits before it is offered again to a process that takes none.
const RETRY: Duration = Duration::from_millis(5);
/// What a terminal reads as the end of its input.
const END_OF_TRANSMISSION: u8 = 4;

/// Our side of an attended process's input and output.
pub(crate) struct Talk {
    sources: Vec<(Stream, OwnedFd)>,
    output: OutputFn,
    input: Option<(Receiver<Input>, Sink)>,
}

/// A talk that is under way.
pub(crate) struct Talking {
    said: oneshot::Receiver<()>,
    over: Arc<AtomicBool>,
}

struct Sink {
    fd: Option<OwnedFd>,
    terminal: bool,
    waiting: VecDeque<u8>,
    ending: bool,
}

/// Makes both sides. Nothing, for what belongs to the log.
///
/// # Errors
/// [`Error::Stdio`].
pub(crate) fn wire(io: Io) -> Result<(Option<Stdio>, Option<Talk>), Error> {
    match io {
        Io::Log => Ok((None, None)),
        Io::Capture(output) => pipes(output, None),
        Io::Attached {
            terminal: None,
            input,
            output,
        } => pipes(output, Some(input)),
        Io::Attached {
            terminal: Some(size),
            input,
            output,
        } => terminal(size, input, output),
    }
}

fn pipes(
    output: OutputFn,
    input: Option<Receiver<Input>>,
) -> Result<(Option<Stdio>, Option<Talk>), Error> {
    let (out_read, out_write) = pipe()?;
    let (err_read, err_write) = pipe()?;
    let (in_read, in_write) = pipe()?;
    let given = Stdio::Attached {
        stdin: in_read.into(),
        stdout: out_write.into(),
        stderr: err_write.into(),
    };
    let sink = |receiver| Ok((receiver, Sink::new(in_write.into(), false)?));
    let talk = Talk {
        sources: vec![
            (Stream::Stdout, out_read.into()),
            (Stream::Stderr, err_read.into()),
        ],
        output,
        input: input.map(sink).transpose()?,
    };
    Ok((Some(given), Some(talk)))
}

fn terminal(
    size: WindowSize,
    input: Receiver<Input>,
    output: OutputFn,
) -> Result<(Option<Stdio>, Option<Talk>), Error> {
    let failed = |source| Error::Stdio {
        what: "terminal",
        source,
    };
    let pty = noon_sandbox::open_pty(pty_size(size)).map_err(failed)?;
    let source = pty.outer.try_clone().map_err(failed)?;
    let talk = Talk {
        sources: vec![(Stream::Stdout, source)],
        output,
        input: Some((input, Sink::new(pty.outer, true)?)),
    };
    Ok((Some(Stdio::Terminal(pty.inner)), Some(talk)))
}

fn pipe() -> Result<(PipeReader, PipeWriter), Error> {
    io::pipe().map_err(|source| Error::Stdio {
        what: "pipes",
        source,
    })
}

fn pty_size(size: WindowSize) -> PtySize {
    PtySize {
        rows: size.rows,
        cols: size.columns,
    }
}

impl Talk {
    /// Begins to carry bytes to and fro; what is no byte, the user's signals and leaving, is handed
    /// to `tell`.
    pub fn begin(self, tell: impl Fn(Order) + Send + 'static) -> Talking {
        let over = Arc::new(AtomicBool::new(false));
        let (all_said, said) = oneshot::channel();
        let ended = over.clone();
        let (sources, output) = (self.sources, self.output);
        std::thread::spawn(move || {
            carry_out(sources, output, &ended);
            let _ = all_said.send(());
        });
        if let Some((input, sink)) = self.input {
            let ended = over.clone();
            std::thread::spawn(move || sink.carry_in(&input, &tell, &ended));
        }
        Talking { said, over }
    }
}

impl Talking {
    /// Resolves when all that was printed has been handed on.
    pub async fn all_said(mut self) {
        let _ = (&mut self.said).await;
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

/// Hands on what comes from the sources, in the order in which it is found, until all have ended.
fn carry_out(mut sources: Vec<(Stream, OwnedFd)>, mut output: OutputFn, over: &AtomicBool) {
    let mut buffer = vec![0; 16 * 1024];
    while !sources.is_empty() && !over.load(Ordering::Acquire) {
        let ready = ready_to_read(&sources);
        let mut ended = Vec::new();
        for index in ready {
            let (stream, fd) = &sources[index];
            match rustix::io::read(fd, &mut buffer[..]) {
                Ok(0) => ended.push(index),
                Ok(read) => output(*stream, &buffer[..read]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                // A terminal that nobody holds any more says EIO, and means its end.
                Err(_) => ended.push(index),
            }
        }
        for index in ended.into_iter().rev() {
            sources.remove(index);
        }
    }
}

fn ready_to_read(sources: &[(Stream, OwnedFd)]) -> Vec<usize> {
    let mut polled: Vec<_> = sources
        .iter()
        .map(|(_, fd)| PollFd::new(fd, PollFlags::IN))
        .collect();
    let glance = Timespec::try_from(GLANCE).ok();
    if poll(&mut polled, glance.as_ref()).is_err() {
        return Vec::new();
    }
    let found = polled.iter().enumerate();
    found
        .filter(|(_, fd)| !fd.revents().is_empty())
        .map(|(index, _)| index)
        .collect()
}

impl Sink {
    fn new(fd: OwnedFd, terminal: bool) -> Result<Self, Error> {
        let failed = |errno: Errno| Error::Stdio {
            what: "input",
            source: errno.into(),
        };
        let flags = rustix::fs::fcntl_getfl(&fd).map_err(failed)?;
        let flags = flags | rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&fd, flags).map_err(failed)?;
        Ok(Self {
            fd: Some(fd),
            terminal,
            waiting: VecDeque::new(),
            ending: false,
        })
    }

    /// Carries what the user sends, until the talk is over or the user is gone; then hangs up.
    fn carry_in(mut self, input: &Receiver<Input>, tell: &dyn Fn(Order), over: &AtomicBool) {
        while !over.load(Ordering::Acquire) {
            let pause = if self.offer() { GLANCE } else { RETRY };
            match input.recv_timeout(pause) {
                Ok(Input::Bytes(bytes)) => self.waiting.extend(bytes),
                Ok(Input::Resize(size)) => self.resize(size),
                Ok(Input::Signal(signal)) => tell(Order::Signal(signal)),
                Ok(Input::End) => self.ending = true,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return tell(Order::HangUp),
            }
        }
    }

    /// Writes what the process takes now; whether that was all.
    fn offer(&mut self) -> bool {
        while let (Some(fd), false) = (&self.fd, self.waiting.is_empty()) {
            match write(fd.as_fd(), self.waiting.as_slices().0) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(Errno::AGAIN) => return false,
                Err(Errno::INTR) => {}
                Err(_) => self.fd = None,
            }
        }
        self.waiting.clear();
        if self.ending {
            self.end();
        }
        true
    }

    fn end(&mut self) {
        self.ending = false;
        if !self.terminal {
            self.fd = None;
        } else if let Some(fd) = &self.fd {
            let _ = write(fd.as_fd(), &[END_OF_TRANSMISSION]);
        }
    }

    fn resize(&self, size: WindowSize) {
        if let (Some(fd), true) = (&self.fd, self.terminal) {
            let _ = noon_sandbox::resize_pty(fd, pty_size(size));
        }
    }
}

fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::io::write(fd, bytes)
}
