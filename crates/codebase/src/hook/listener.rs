//! The control role's end: hears hooks and brings each to the push that waits for it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::message::Request;
use crate::plan::Update;
use crate::repository::Quarantine;
use crate::{Error, line};

/// The longest request that is read, in bytes: some ten thousand refs.
const MAX_REQUEST: u64 = 4 << 20;

/// A hook that has not asked by then never will.
const PATIENCE: Duration = Duration::from_secs(20);

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Call>>>>;

/// Hears hooks, as long as it lives.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: PathBuf,
    waiting: Waiting,
    task: JoinHandle<()>,
}

/// A push's claim on its hook, until dropped.
#[derive(Debug)]
pub(crate) struct Expected {
    secret: String,
    waiting: Waiting,
    call: oneshot::Receiver<Call>,
}

/// A hook that waits for its verdict, and prints what it is told meanwhile.
#[derive(Debug)]
pub(crate) struct Call {
    pub updates: Vec<Update>,
    pub quarantine: Quarantine,
    /// Takes lines for the pusher.
    pub out: mpsc::UnboundedSender<String>,
    verdict: oneshot::Sender<bool>,
}

impl Listener {
    /// Listens at a path of any length, in place of whoever did before. Needs a tokio runtime.
    pub fn bind(socket: PathBuf) -> Result<Self, Error> {
        let listener = bind(&socket).map_err(Error::files("listen at", &socket))?;
        let waiting = Waiting::default();
        let task = tokio::spawn(listen(listener, waiting.clone()));
        Ok(Self {
            socket,
            waiting,
            task,
        })
    }

    /// Its path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Makes the secret by which one hook will be known.
    pub fn expect(&self) -> Expected {
        let secret = Uuid::new_v4().simple().to_string();
        let (sender, call) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(secret.clone(), sender);
        Expected {
            secret,
            waiting: self.waiting.clone(),
            call,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Expected {
    /// What the hook shall show.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Resolves when the hook calls, which some pushes never come to.
    pub async fn called(&mut self) -> Call {
        match (&mut self.call).await {
            Ok(call) => call,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.secret);
    }
}

impl Call {
    /// Tells the pusher some lines.
    pub fn say(&self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            // A hook that was killed has nobody to tell.
            let _ = self.out.send(line);
        }
    }

    /// Lets the hook go, once it has printed what was said before.
    pub fn answer(self, accepted: bool) {
        // A hook that was killed needs no verdict: git refuses what it does not hear of.
        let _ = self.verdict.send(accepted);
    }
}

fn bind(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let dir = File::open(socket.parent().ok_or_else(missing)?)?;
    let name = socket.file_name().ok_or_else(missing)?;
    let through = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
    let listener = StdListener::bind(through)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn listen(listener: UnixListener, waiting: Waiting) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(hear(stream, waiting.clone()))),
            Err(error) => {
                tracing::warn!(%error, "could not hear a hook");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Hears one hook. Whoever cannot name a push that waits is left without an answer.
async fn hear(mut stream: UnixStream, waiting: Waiting) {
    let mut bytes = Vec::new();
    let mut bounded = (&mut stream).take(MAX_REQUEST);
    let read = bounded.read_to_end(&mut bytes);
    let complete = matches!(tokio::time::timeout(PATIENCE, read).await, Ok(Ok(_)));
    let Some(request) = Request::parse(&bytes).filter(|_| complete) else {
        return tracing::warn!("heard something at the hooks' socket that is no hook");
    };
    let push = waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&request.secret);
    let Some(push) = push else {
        return tracing::warn!("a hook called for which no push waits");
    };
    let (out, lines) = mpsc::unbounded_channel();
    let (verdict, decided) = oneshot::channel();
    let Request {
        updates,
        quarantine,
        ..
    } = request;
    if push
        .send(Call {
            updates,
            quarantine,
            out,
            verdict,
        })
        .is_ok()
    {
        let (read, write) = stream.into_split();
        drop(read);
        if let Err(error) = talk(write, lines, decided).await {
            tracing::debug!(%error, "a hook left before its verdict");
        }
    }
}

/// Passes lines on as they come, then the verdict. Whoever drops it unanswered has refused.
async fn talk(
    mut stream: impl tokio::io::AsyncWrite + Unpin,
    mut lines: mpsc::UnboundedReceiver<String>,
    mut decided: oneshot::Receiver<bool>,
) -> io::Result<()> {
    let accepted = loop {
        tokio::select! {
            Some(line) = lines.recv() => stream.write_all(&frame(&line)).await?,
            accepted = &mut decided => break accepted.unwrap_or(false),
        }
    };
    while let Ok(line) = lines.try_recv() {
        stream.write_all(&frame(&line)).await?;
    }
    stream
        .write_all(if accepted { b"=0\n" } else { b"=1\n" })
        .await
}

fn frame(line: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    for line in line.split('\n') {
        frame.extend_from_slice(format!(">{}\n", line::harmless(line)).as_bytes());
    }
    frame
}
