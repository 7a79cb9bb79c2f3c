//! One request and its response between two sockets, both directions at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::code::Code;
use crate::flow::{Ends, Flow, FlowError};
use crate::http::body::Body;
use crate::http::response::{Asked, BadResponse, Response};
use crate::http::scan::{Scan, scan};
use crate::settings::Limits;
use crate::socket::Socket;

/// A request on its way to a process, and what comes back.
pub(crate) struct Talk<'a> {
    client: &'a mut Socket,
    server: Socket,
    upload: Flow,
    is_sent: bool,
    /// The process stopped listening; what it said may still be read.
    is_upload_broken: bool,
    scanned: usize,
    clock: Clock,
    limits: &'a Limits,
    told: Told,
}

/// What the client has been told, and what is left of the connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) has_answered: bool,
    pub(crate) status: u16,
    /// Of the body.
    pub(crate) bytes: u64,
    pub(crate) keeps_client: bool,
    pub(crate) keeps_server: bool,
}

/// How a talk broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The process closed before its first byte: on a parked connection, it may never have seen
    /// the request.
    Unheard,
    /// A code, and a cause where the code tells too little.
    Failed(Code, Option<&'static str>),
}

impl Broken {
    const fn failed<T>(code: Code) -> Result<T, Self> {
        Err(Self::Failed(code, None))
    }
}

/// When something last moved, and the one timer of a talk.
struct Clock {
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Clock {
    fn new(first: Duration) -> Self {
        let last = Instant::now();
        let timer = Box::pin(sleep_until(last + first));
        Self { last, timer }
    }

    fn note(&mut self, moved: bool) {
        if moved {
            self.last = Instant::now();
        }
    }

    /// Ready once nothing has moved for so long.
    fn poll_silence(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let deadline = self.last + limit;
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl<'a> Talk<'a> {
    /// Begins with a request's head and body.
    pub(crate) fn new(
        (client, server): (&'a mut Socket, Socket),
        upload: Flow,
        limits: &'a Limits,
    ) -> Self {
        Self {
            client,
            server,
            upload,
            is_sent: false,
            is_upload_broken: false,
            scanned: 0,
            clock: Clock::new(limits.first_byte),
            limits,
            told: Told {
                keeps_client: true,
                ..Told::default()
            },
        }
    }

    /// Carries all of it. `wants_more` is asked, as late as can be, whether the client's connection
    /// should be kept.
    pub(crate) async fn carry(
        &mut self,
        asked: Asked,
        wants_more: impl Fn() -> bool,
    ) -> Result<(), Broken> {
        let mut response = self.response(asked).await?;
        while response.is_interim() {
            self.pass_interim(&response, asked).await?;
            response = self.response(asked).await?;
        }
        let is_tunnel = response.status == 101;
        let is_open_ended = matches!(response.body, Body::UntilClose(_));
        let closes = !is_tunnel && (is_open_ended || !wants_more());
        let mut head = response.head;
        head.extend_from_slice(if closes {
            b"Connection: close\r\n\r\n"
        } else {
            b"\r\n"
        });
        self.told.has_answered = true;
        self.told.status = response.status;
        self.told.keeps_client = !closes && !is_tunnel;
        let outcome = if is_tunnel {
            self.tunnel(&head).await
        } else {
            self.relay(Flow::new(&head, response.body)).await
        };
        self.told.keeps_server =
            response.keeps_alive && self.is_sent && !is_tunnel && outcome.is_ok();
        outcome
    }

    /// Gives back what is left.
    pub(crate) fn end(self) -> (Told, Socket, Flow) {
        (self.told, self.server, self.upload)
    }

    /// Passes on what comes before a response, but not what was asked for by us: `100 Continue`.
    async fn pass_interim(&mut self, interim: &Response, asked: Asked) -> Result<(), Broken> {
        if interim.status == 100 || asked.is_http_10 {
            return Ok(());
        }
        let head = [&interim.head[..], b"\r\n"].concat();
        match timeout(self.limits.idle, self.client.write_all(&head)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Broken::failed(Code::ClientInterrupted),
            Err(_) => Broken::failed(Code::ClientIdle),
        }
    }

    /// Sends the request and reads the next response head, at once.
    async fn response(&mut self, asked: Asked) -> Result<Response, Broken> {
        let end = poll_fn(|cx| self.poll_head(cx)).await?;
        self.scanned = 0;
        let head = self.server.consume(end);
        Response::read(&head, asked, self.limits).map_err(|bad| match bad {
            BadResponse::Malformed => Broken::Failed(Code::PoorResponse, None),
            BadResponse::Restricted => Broken::Failed(Code::ResponseRestriction, None),
        })
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        self.poll_upload(cx)?;
        loop {
            if let Some(end) = self.scan()? {
                return Poll::Ready(Ok(end));
            }
            match self.server.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => self.clock.note(true),
                Poll::Ready(_) => return Poll::Ready(self.server_left()),
                Poll::Pending => break,
            }
        }
        let limit = if self.is_sent {
            self.limits.first_byte
        } else {
            self.limits.idle
        };
        match self.clock.poll_silence(cx, limit) {
            Poll::Ready(()) => Poll::Ready(Broken::failed(self.who_was_silent())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Before the first byte of a response.
    fn who_was_silent(&self) -> Code {
        let waits_for_client = !self.is_sent && !self.upload.waits_for_sink();
        if waits_for_client {
            Code::ClientIdle
        } else {
            Code::RequestTimeout
        }
    }

    fn scan(&mut self) -> Result<Option<usize>, Broken> {
        let found = scan(&self.server.ahead, self.scanned);
        let limit = self.limits.response_head_bytes;
        match found {
            Scan::Whole(end) if end <= limit => return Ok(Some(end)),
            Scan::Partial(next) if self.server.ahead.len() <= limit => self.scanned = next,
            Scan::BadLineEnd => return Broken::failed(Code::PoorResponse),
            _ => return Broken::failed(Code::ResponseRestriction),
        }
        Ok(None)
    }

    fn server_left<T>(&self) -> Result<T, Broken> {
        if self.server.ahead.is_empty() {
            return Err(Broken::Unheard);
        }
        Broken::failed(Code::ServerInterrupted)
    }

    /// Moves the request on, and afterwards watches the client.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        if self.is_sent || self.is_upload_broken {
            return self.watch_client(cx);
        }
        let mut moved = false;
        let ends = Ends {
            from: self.client,
            to: &mut self.server,
            moved: &mut moved,
        };
        let step = self.upload.poll(cx, ends);
        self.clock.note(moved);
        match step {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.is_sent = true,
            Poll::Ready(Err(FlowError::Sink)) => self.is_upload_broken = true,
            Poll::Ready(Err(FlowError::Source)) => return Broken::failed(Code::ClientInterrupted),
            Poll::Ready(Err(FlowError::Bad(_))) => {
                return Err(Broken::Failed(Code::RequestError, Some("bad chunk")));
            }
        }
        Ok(())
    }

    /// Notices a client that is gone. One that has only closed its half still wants its answer,
    /// and one that sends its next request waits for its turn.
    fn watch_client(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        if self.client.has_ended || !self.client.ahead.is_empty() {
            return Ok(());
        }
        match self.client.poll_fill(cx) {
            Poll::Ready(Err(_)) => Broken::failed(Code::ClientInterrupted),
            _ => Ok(()),
        }
    }

    /// Carries a response to the client, and what is left of the request to the process.
    async fn relay(&mut self, mut download: Flow) -> Result<(), Broken> {
        let outcome = poll_fn(|cx| self.poll_relay(cx, &mut download)).await;
        self.told.bytes = download.bytes;
        outcome
    }

    fn poll_relay(
        &mut self,
        cx: &mut Context<'_>,
        download: &mut Flow,
    ) -> Poll<Result<(), Broken>> {
        let mut moved = false;
        let ends = Ends {
            from: &mut self.server,
            to: self.client,
            moved: &mut moved,
        };
        let step = download.poll(cx, ends);
        self.clock.note(moved);
        match step {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => return Poll::Ready(Broken::failed(blame(&error))),
            Poll::Pending => {}
        }
        // After the response: a whole one counts, whatever became of the request.
        self.poll_upload(cx)?;
        let slow = if download.waits_for_sink() {
            Code::ClientIdle
        } else {
            Code::IdleConnection
        };
        match self.clock.poll_silence(cx, self.limits.idle) {
            Poll::Ready(()) => Poll::Ready(Broken::failed(slow)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Carries raw bytes both ways until both sides have closed, or one is gone.
    async fn tunnel(&mut self, head: &[u8]) -> Result<(), Broken> {
        let mut up = Flow::new(b"", Body::UntilClose(false));
        let mut down = Flow::new(head, Body::UntilClose(false));
        let mut over = (false, false);
        let outcome = poll_fn(|cx| self.poll_tunnel(cx, (&mut up, &mut down), &mut over)).await;
        self.told.bytes = down.bytes;
        outcome
    }

    fn poll_tunnel(
        &mut self,
        cx: &mut Context<'_>,
        (up, down): (&mut Flow, &mut Flow),
        over: &mut (bool, bool),
    ) -> Poll<Result<(), Broken>> {
        let mut moved = false;
        over.0 = over.0 || poll_half(cx, up, (self.client, &mut self.server, &mut moved));
        over.1 = over.1 || poll_half(cx, down, (&mut self.server, self.client, &mut moved));
        self.clock.note(moved);
        if *over == (true, true) {
            return Poll::Ready(Ok(()));
        }
        match self.clock.poll_silence(cx, self.limits.idle) {
            Poll::Ready(()) => Poll::Ready(Broken::failed(Code::IdleConnection)),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn blame(error: &FlowError) -> Code {
    match error {
        FlowError::Source => Code::ServerInterrupted,
        FlowError::Sink => Code::ClientInterrupted,
        FlowError::Bad(_) => Code::PoorResponse,
    }
}

/// Moves one direction of a tunnel; gives whether it is over. When one side is gone, both learn it.
fn poll_half(
    cx: &mut Context<'_>,
    flow: &mut Flow,
    (from, to, moved): (&mut Socket, &mut Socket, &mut bool),
) -> bool {
    let Poll::Ready(outcome) = flow.poll(cx, Ends { from, to, moved }) else {
        return false;
    };
    // A socket that cannot be closed is closed already.
    let _ = to.poll_shutdown(cx);
    if outcome.is_err() {
        let _ = from.poll_shutdown(cx);
    }
    true
}
