//! One push, from its first byte to its last line.

use std::sync::Arc;

use bytes::Bytes;
use noon_domain::AppId;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};
use tokio::sync::{mpsc, oneshot};

use crate::answer::note;
use crate::body::Plain;
use crate::hook::{Call, Expected, SECRET, SOCKET};
use crate::http::Room;
use crate::receive::{Clock, Receiver};
use crate::repository::Repository;
use crate::stop::Stop;
use crate::summary::complaint;
use crate::{Error, Verbs};

/// The most that the ref lines before a pack may take, in bytes.
const MAX_REFS: u64 = 16 << 20;

/// A push that may begin.
pub(crate) struct Push<V: Verbs> {
    pub room: Arc<Room<V>>,
    pub permit: V::Permit,
    pub app: AppId,
    pub repository: Repository,
}

/// What goes back to the client.
pub(crate) struct Reply {
    /// Resolves when everything the client sends was read.
    pub sent: oneshot::Receiver<()>,
    /// Git's answer, as it comes.
    pub answer: mpsc::UnboundedReceiver<Bytes>,
}

impl<V: Verbs> Push<V> {
    /// Starts the push in tasks of its own, which finish it whether or not the client stays.
    pub fn start(self, body: Plain) -> Result<Reply, Error> {
        let clock = Clock::start();
        let most = self.room.settings.max_pack_bytes.saturating_add(MAX_REFS);
        let expected = self.room.hooks.expect();
        let mut child = self.spawn(&expected)?;
        let stdin = child.stdin.take().expect("was asked for");
        let stdout = child.stdout.take().expect("was asked for");
        let (reader, answer) = mpsc::unbounded_channel();
        let (all_read, sent) = oneshot::channel();
        tokio::spawn(relay(stdout, reader));
        tokio::spawn(async move {
            if let Err(error) = body.feed(stdin, most).await {
                tracing::info!(%error, "a push broke off");
            }
            // Nobody listens any more when the client left.
            let _ = all_read.send(());
        });
        tokio::spawn(self.run(child, expected, clock));
        Ok(Reply { sent, answer })
    }

    /// Never killed, for then git would leave its quarantine behind until the next start.
    fn spawn(&self, expected: &Expected) -> Result<Child, Error> {
        let mut command = self.repository.service("receive-pack");
        command
            .arg("--stateless-rpc")
            .arg(self.repository.path())
            .env(SOCKET, self.room.hooks.socket())
            .env(SECRET, expected.secret())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(false);
        let lost = |source| Error::GitPipe {
            command: "receive-pack".into(),
            source,
        };
        command.spawn().map_err(lost)
    }

    /// Waits for git to ask, answers, and keeps the turn until git has moved the refs.
    async fn run(self, mut child: Child, mut expected: Expected, clock: Clock) {
        let call = tokio::select! {
            biased;
            call = expected.called() => call,
            _ = child.wait() => return,
        };
        let app = self.app;
        let receiver = Receiver {
            room: &self.room,
            repository: &self.repository,
            call: &call,
        };
        let (turn, outcome) = receiver.receive(self.permit, clock).await;
        let accepted = outcome.is_ok();
        if let Err(stop) = outcome {
            explain(&call, &stop);
        }
        call.answer(accepted);
        match child.wait().await {
            Ok(status) => tracing::info!(%app, accepted, %status, "a push ended"),
            Err(error) => tracing::warn!(%app, %error, "lost touch with a push"),
        }
        drop(turn);
    }
}

/// Tells the pusher why, and the log what it should know beyond that.
fn explain(call: &Call, stop: &Stop) {
    match stop {
        Stop::Refused(_) => {}
        Stop::NotDeployed(error) => note("could not deploy a push", error),
        Stop::Broken(error) => {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, source, "could not take a push in");
        }
    }
    call.say(complaint(&stop.to_string()));
}

/// Reads git's answer to its end even when nobody takes it any more, so that git goes on.
async fn relay(mut stdout: ChildStdout, reader: mpsc::UnboundedSender<Bytes>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
        // The client may have left; its push is finished all the same.
        let _ = reader.send(Bytes::copy_from_slice(&buffer[..length]));
    }
}
