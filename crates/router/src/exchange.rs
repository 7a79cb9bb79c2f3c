//! One request of a client, from its head to its line in the log.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use noon_domain::{AppId, NoBackend, ProcessId};
use tokio::time::{Instant, timeout, timeout_at};

use crate::code::Code;
use crate::connect::connect;
use crate::flow::Flow;
use crate::http::body::Body;
use crate::http::request::Request;
use crate::http::response::Asked;
use crate::inside::unlinked;
use crate::page::{Page, Wanted};
use crate::record::{Fault, Record};
use crate::routes::{Entrance, Hold, Seeker, Site, Unrouted};
use crate::socket::Socket;
use crate::talk::{Broken, Talk};
use crate::worker::Worker;

/// How many processes are tried for one request.
const MAX_TRIES: usize = 10;
/// How long the rest of a body that nobody wants is read for the connection's sake.
const DISCARD: Duration = Duration::from_secs(5);

/// One request on its way.
pub(crate) struct Exchange<'a> {
    worker: &'a Worker,
    client: &'a mut Socket,
    entrance: Entrance,
    request: Request,
    record: Record,
    /// The rest of the body, once some of it may have been sent.
    upload: Option<Flow>,
    /// Whether the client has seen any of a response.
    has_answered: bool,
    keeps: bool,
}

impl<'a> Exchange<'a> {
    /// Takes up a request.
    pub(crate) fn new(
        worker: &'a Worker,
        client: &'a mut Socket,
        (request, entrance): (Request, Entrance),
    ) -> Self {
        let record = Record {
            method: request.line.method.clone(),
            path: request.line.path.clone(),
            host: request.line.host.clone().unwrap_or_default(),
            request_id: request.id.clone(),
            forwarded_for: request.forwarded_for.clone(),
            from: worker.post.routes.source(entrance),
            ..Record::default()
        };
        Self {
            worker,
            client,
            entrance,
            keeps: request.keeps_alive,
            request,
            record,
            upload: None,
            has_answered: false,
        }
    }

    /// Answers the request, whatever comes; gives whether the connection can be kept.
    pub(crate) async fn run(mut self) -> bool {
        let outcome = match self.site().await {
            Ok(site) => self
                .answer(site.app)
                .await
                .map_err(|broken| (site.app, broken)),
            Err(None) => {
                self.show(Page::UNKNOWN_HOST).await;
                return self.settle().await;
            }
            Err(Some((app, code))) => Err((app, Broken::Failed(code, None))),
        };
        if let Err((app, broken)) = outcome {
            self.fail(app, broken).await;
        }
        self.settle().await
    }

    /// Finds the app, and waits for it while it boots. An error names the app where there is one.
    async fn site(&mut self) -> Result<Arc<Site>, Option<(AppId, Code)>> {
        let deadline = Instant::now() + self.worker.post.limits.boot;
        let routes = &self.worker.post.routes;
        let mut changes = routes.changes();
        loop {
            changes.borrow_and_update();
            let site = routes
                .site(self.entrance, &self.record.host)
                .map_err(|_| None)?;
            let why = match site.ready() {
                Ok(_) => return Ok(site),
                Err(why) => why,
            };
            let waits = why == NoBackend::Booting
                && matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(())));
            if !waits {
                return Err(Code::of(why).map(|code| (site.app, code)));
            }
        }
    }

    /// Gets an answer from a process of this app: the first that accepts.
    async fn answer(&mut self, app: AppId) -> Result<(), Broken> {
        let mut tried = Vec::new();
        let mut was_stale = false;
        loop {
            let hold = self.take(&tried)?;
            let (server, was_parked) = match self.link(&hold, was_stale).await {
                Ok(link) => link,
                Err(code) => {
                    self.pass_over(hold, &mut tried, code)?;
                    continue;
                }
            };
            match self.converse(&hold, server).await {
                Err(Broken::Unheard) if was_parked && self.request.is_replayable() => {
                    was_stale = true;
                }
                Err(broken) => return Err(broken),
                Ok(()) => {
                    self.worker.log(app, &self.record);
                    return Ok(());
                }
            }
        }
    }

    fn take(&self, tried: &[ProcessId]) -> Result<Hold, Broken> {
        let seeker = Seeker {
            entrance: self.entrance,
            host: &self.record.host,
            tried,
            thread: self.worker.post.thread,
            random: self.worker.random(),
        };
        self.worker
            .post
            .routes
            .take(&seeker)
            .map_err(|why| match why {
                Unrouted::NoBackend(why) => {
                    Broken::Failed(Code::of(why).unwrap_or(Code::PlatformError), None)
                }
                Unrouted::AllTried => Broken::Failed(Code::ConnectRefused, None),
            })
    }

    /// Sets a process aside; an error once there is no other to try.
    fn pass_over(&self, hold: Hold, tried: &mut Vec<ProcessId>, code: Code) -> Result<(), Broken> {
        let post = &self.worker.post;
        post.routes.set_aside(&hold.upstream, post.limits.aside);
        tried.push(hold.upstream.endpoint.process);
        drop(hold);
        if tried.len() >= MAX_TRIES || self.take(tried).is_err() {
            return Err(Broken::Failed(code, None));
        }
        Ok(())
    }

    /// A connection to the process: a parked one, told by the flag, or a fresh one.
    async fn link(&mut self, hold: &Hold, is_fresh: bool) -> Result<(Socket, bool), Code> {
        let endpoint = &hold.upstream.endpoint;
        self.record.process.clone_from(&hold.upstream.name);
        let started = Instant::now();
        let parked = if is_fresh {
            None
        } else {
            self.parked(endpoint.process)
        };
        let post = &self.worker.post;
        let link = match parked {
            Some(socket) => Ok((socket, true)),
            None => connect(&endpoint.address, &post.hooks, &post.limits)
                .await
                .map(|stream| (Socket::new(stream), false)),
        };
        self.record.connect = Some(started.elapsed());
        link
    }

    fn parked(&self, process: ProcessId) -> Option<Socket> {
        let mut pool = self.worker.pool.borrow_mut();
        pool.take(process, self.request.is_replayable())
    }

    /// Sends the request over a connection, and its answer back.
    async fn converse(&mut self, hold: &Hold, server: Socket) -> Result<(), Broken> {
        let started = Instant::now();
        self.say_continue().await?;
        let body = std::mem::replace(&mut self.request.body, Body::EMPTY);
        let upload = Flow::new(&self.request.head, body);
        let mut talk = Talk::new(
            (&mut *self.client, server),
            upload,
            &self.worker.post.limits,
        );
        let asked = Asked {
            is_head: self.record.method == "HEAD",
            is_http_10: self.request.is_http_10,
            upgrades: self.request.upgrades,
        };
        let wants_more = || self.request.keeps_alive && !self.worker.is_stopping();
        let unlinked = unlinked(self.worker, self.entrance, &self.record.host);
        let outcome = tokio::select! {
            biased;
            outcome = talk.carry(asked, wants_more) => outcome,
            () = unlinked => Err(Broken::Failed(Code::ClientInterrupted, Some("link removed"))),
        };
        let (told, server, upload) = talk.end();
        self.upload = Some(upload);
        self.has_answered = told.has_answered;
        self.keeps &= told.keeps_client;
        self.record.service = Some(started.elapsed());
        self.record.status = told.status;
        self.record.bytes = told.bytes;
        if told.keeps_server {
            self.worker.pool.borrow_mut().put(&hold.upstream, server);
        }
        outcome
    }

    /// Asks for the body of a client that waits to be asked.
    async fn say_continue(&mut self) -> Result<(), Broken> {
        if !std::mem::take(&mut self.request.expects_continue) || !self.client.ahead.is_empty() {
            return Ok(());
        }
        let asked = self
            .client
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await;
        asked.map_err(|_| Broken::Failed(Code::ClientInterrupted, None))
    }

    /// Tells the client, if it can still be told, and the log.
    async fn fail(&mut self, app: AppId, broken: Broken) {
        let (code, cause) = match broken {
            Broken::Unheard => (Code::ClosedWithoutResponse, None),
            Broken::Failed(code, cause) => (code, cause),
        };
        let is_gone = matches!(code, Code::ClientInterrupted | Code::ClientIdle);
        self.keeps &= !is_gone && !self.has_answered && code != Code::RequestError;
        self.record.status = code.status();
        if !is_gone && !self.has_answered {
            let page = match code {
                Code::RequestError => Page::refused(code.status()),
                _ => Page::of(code),
            };
            self.show(page).await;
        }
        self.record.fault = Some(Fault { code, cause });
        self.worker.log(app, &self.record);
    }

    async fn show(&mut self, page: Page) {
        // Nobody knows whether a client that waits to be asked will send its body.
        self.keeps &= !self.request.expects_continue && !self.worker.is_stopping();
        let wanted = Wanted {
            text: self.request.wants_text,
            head_only: self.record.method == "HEAD",
            closes: !self.keeps,
        };
        let (bytes, body) = page.render(wanted);
        let written = timeout(self.worker.post.limits.idle, self.client.write_all(&bytes)).await;
        self.keeps &= matches!(written, Ok(Ok(())));
        self.record.status = page.status;
        self.record.bytes = body;
    }

    /// Makes the connection ready for its next request; gives whether there can be one.
    async fn settle(mut self) -> bool {
        let body = std::mem::replace(&mut self.request.body, Body::EMPTY);
        let mut rest = self.upload.take().unwrap_or_else(|| Flow::new(b"", body));
        if self.keeps && !rest.has_all() {
            let discard = poll_fn(|cx| rest.poll_discard(cx, self.client));
            self.keeps = matches!(timeout(DISCARD, discard).await, Ok(Ok(())));
        }
        self.keeps && !self.client.has_ended
    }
}
