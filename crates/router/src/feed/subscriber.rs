//! The router's end of the feed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use noon_domain::ProcessId;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::frame::{encode, receive, send};
use super::keep;
use super::socket_path::SocketPath;
use super::table::{Report, TableMessage};
use crate::routes::Routes;

/// How soon the next attempt follows when control is away.
const RETRY: Duration = Duration::from_millis(100);

/// Keeps routes as control wants them, and tells control which processes are idle.
pub struct Subscriber {
    socket: PathBuf,
    routes: Routes,
    first: Option<oneshot::Sender<()>>,
}

impl Subscriber {
    /// Will follow the publisher at `socket`. With the file in which the publisher keeps its newest
    /// table, that table is followed at once.
    pub fn new(socket: impl Into<PathBuf>, routes: Routes, kept: Option<PathBuf>) -> Self {
        let socket = socket.into();
        if let Some(path) = &kept {
            match keep::load(path) {
                Ok(Some(table)) => routes.apply(&table),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "the kept routes cannot be read");
                }
            }
        }
        Self {
            socket,
            routes,
            first: None,
        }
    }

    /// Resolves when the first table that control gave is followed; a kept one is not it.
    pub fn first_table(&mut self) -> oneshot::Receiver<()> {
        let (told, heard) = oneshot::channel();
        self.first = Some(told);
        heard
    }

    /// Follows for ever: connects again whenever control was away. Meanwhile the last table stays.
    pub async fn run(mut self) -> std::convert::Infallible {
        let mut was_connected = true;
        loop {
            let error = match self.connect().await {
                Ok(stream) => {
                    was_connected = true;
                    self.follow(stream).await
                }
                Err(error) => error,
            };
            if std::mem::take(&mut was_connected) {
                tracing::info!(%error, "control is away: the last routes stay");
            }
            sleep(RETRY).await;
        }
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        let path = SocketPath::open(&self.socket)?;
        UnixStream::connect(&path.short).await
    }

    /// Takes up tables and reports, until the connection breaks.
    async fn follow(&mut self, stream: UnixStream) -> io::Error {
        let (mut from, mut to) = stream.into_split();
        let (heard, mut tables) = mpsc::channel(1);
        let listen = async {
            loop {
                match receive::<TableMessage>(&mut from).await {
                    Ok(table) => heard.send(table).await.unwrap_or_default(),
                    Err(error) => return error,
                }
            }
        };
        tokio::select! {
            error = listen => error,
            Err(error) = self.obey(&mut tables, &mut to) => error,
        }
    }

    async fn obey(
        &mut self,
        tables: &mut mpsc::Receiver<TableMessage>,
        to: &mut OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut taken = None;
        loop {
            tokio::select! {
                Some(table) = tables.recv() => taken = Some(self.take_up(&table)?),
                () = self.routes.may_be_idle() => {}
            }
            if let Some(taken) = taken {
                let busy = self
                    .routes
                    .leaving()
                    .iter()
                    .map(ProcessId::as_uuid)
                    .collect();
                send(to, &encode(&Report { taken, busy })?).await?;
            }
        }
    }

    fn take_up(&mut self, message: &TableMessage) -> io::Result<u64> {
        let table = message.table().map_err(io::Error::other)?;
        self.routes.apply(&table);
        if let Some(first) = self.first.take() {
            // Nobody may care any more.
            let _ = first.send(());
        }
        Ok(message.edition)
    }
}
