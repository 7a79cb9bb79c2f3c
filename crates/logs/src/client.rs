//! The platform's side: hands lines and orders to the collector, whenever there is one.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use noon_domain::{AppId, LogLine, PlatformSink};

use crate::outbox::Outbox;
use crate::{Error, message, socket};

/// How long to gather lines after a small batch.
const NAP: Duration = Duration::from_millis(1);
const SMALL_BATCH: usize = 64 * 1024;
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(50);
/// How often one who waits for the collector looks whether he is still wanted.
const GLANCE: Duration = Duration::from_millis(500);

/// Hands the platform's lines to the collector. Clones share one queue and one thread.
///
/// Lines and orders arrive in the order in which they were given. They wait while there is no
/// collector, 8192 at most; the rest is counted and said in the stream. What a collector took but
/// did not confirm before it was killed is sent again, so a line may rarely stand there twice.
#[derive(Clone, Debug)]
pub struct Client(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Outbox>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Client {
    /// Begins to connect to the collector's socket, and goes on for ever.
    ///
    /// # Errors
    /// [`Error::System`] if there is no thread to be had.
    pub fn connect(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let outbox = Arc::new(Outbox::default());
        let (sender, path) = (Arc::clone(&outbox), path.into());
        thread::Builder::new()
            .name("log-sink".to_owned())
            .spawn(move || send_all(&sender, &path))
            .map_err(|error| Error::system("a thread", error))?;
        Ok(Self(Arc::new(Handle(outbox))))
    }

    /// The sink for the platform's lines. It never waits: what finds no room is counted.
    pub fn sink(&self) -> PlatformSink {
        let handle = Arc::clone(&self.0);
        Arc::new(move |line: LogLine| handle.0.push(&line))
    }

    /// Tells the collector that there may be other processes now.
    pub fn look_again(&self) {
        self.0.0.look_again();
    }

    /// Has the collector remove the app's log and refuse further lines of it.
    pub fn forget(&self, app: AppId) {
        self.0.0.forget(app);
    }

    /// Waits until the collector has confirmed everything, but no longer than `patience`; says
    /// whether it has.
    pub fn flush(&self, patience: Duration) -> bool {
        self.0.0.wait_empty(patience)
    }
}

/// Sends batch after batch until nothing more can come.
fn send_all(outbox: &Outbox, path: &Path) {
    let mut line = Line { path, stream: None };
    let mut batch = Vec::new();
    while let Some(messages) = outbox.take(&mut batch) {
        let size = batch.len();
        let undelivered = deliver(outbox, &mut line, &mut batch, messages);
        if undelivered > 0 {
            tracing::warn!(
                messages = undelivered,
                "no log collector took the last messages"
            );
        }
        batch.clear();
        outbox.done();
        if size < SMALL_BATCH {
            thread::sleep(NAP);
        }
    }
}

/// Sends a batch until all of it is confirmed; gives up only when nobody speaks any more and
/// nobody listens. Gives what is left.
fn deliver(outbox: &Outbox, line: &mut Line<'_>, batch: &mut Vec<u8>, messages: usize) -> usize {
    let mut left = messages;
    while left > 0 {
        let confirmed = match line.connected() {
            Ok(stream) => exchange(stream, batch, left, outbox),
            Err(_) => {
                thread::sleep(RETRY);
                0
            }
        };
        left -= confirmed;
        if left > 0 {
            line.stream = None;
            forget_first(batch, confirmed);
            if outbox.is_closed() {
                break;
            }
        }
    }
    left
}

/// The connection, made anew when it is gone.
struct Line<'a> {
    path: &'a Path,
    stream: Option<(UnixStream, u64)>,
}

impl Line<'_> {
    fn connected(&mut self) -> io::Result<&mut (UnixStream, u64)> {
        if self.stream.is_none() {
            let stream = socket::connect(self.path)?;
            stream.set_read_timeout(Some(GLANCE))?;
            stream.set_write_timeout(Some(GLANCE))?;
            self.stream = Some((stream, 0));
        }
        self.stream
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Sends a batch and waits until it is confirmed; gives how many messages were, before the
/// connection or the patience with a closed outbox ended.
fn exchange(
    (stream, confirmed): &mut (UnixStream, u64),
    batch: &[u8],
    messages: usize,
    outbox: &Outbox,
) -> usize {
    let goes_on = |error: &io::Error| is_pause(error) && !outbox.is_closed();
    let before = *confirmed;
    let wanted = before + messages as u64;
    let mut rest = batch;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if goes_on(&error) => {}
            Err(_) => break,
        }
    }
    let mut word = [0; 8];
    let mut have = 0;
    while *confirmed < wanted {
        match stream.read(&mut word[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if goes_on(&error) => {}
            Err(_) => break,
        }
        if have == word.len() {
            (*confirmed, have) = (u64::from_le_bytes(word).clamp(before, wanted), 0);
        }
    }
    usize::try_from(*confirmed - before).unwrap_or(messages)
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Takes the first messages out of a batch.
fn forget_first(batch: &mut Vec<u8>, messages: usize) {
    let mut at = 0;
    for _ in 0..messages {
        match message::length(&batch[at..]) {
            Ok(Some(length)) => at += length,
            _ => break,
        }
    }
    batch.drain(..at);
}
