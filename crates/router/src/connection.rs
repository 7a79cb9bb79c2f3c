//! One client's connection: request after request, until one side has had enough.

use std::future::poll_fn;
use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout, timeout_at};

use crate::code::Code;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::http::body::Body;
use crate::http::request::{Refusal, Request};
use crate::http::scan::{Scan, scan};
use crate::page::{Page, Wanted};
use crate::record::{Fault, Record};
use crate::routes::Entrance;
use crate::socket::Socket;
use crate::worker::Worker;

/// How long the rest of a body that nobody wants is read, so that the answer arrives.
const LINGER: Duration = Duration::from_secs(2);

/// Who is at the other end of a connection, and how they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    pub(crate) ip: IpAddr,
    /// The port they came to.
    pub(crate) port: u16,
    pub(crate) entrance: Entrance,
}

/// Serves one connection of a client to its end.
pub(crate) async fn run(worker: &Worker, mut client: Socket, visitor: Visitor) {
    loop {
        let request = match next_head(worker, &mut client).await {
            Ok(Some(head)) => Request::read(&head, &worker.door(&visitor), &worker.post.limits),
            Ok(None) => return,
            Err(refusal) => Err(refusal),
        };
        let keeps = match request {
            Ok(request) => {
                let exchange = Exchange::new(worker, &mut client, (request, visitor.entrance));
                exchange.run().await
            }
            Err(refusal) => refuse(worker, &mut client, (refusal, visitor)).await,
        };
        if !keeps {
            return close(&mut client).await;
        }
    }
}

/// Waits for the next request; `None` is a connection that ended between two.
async fn next_head(worker: &Worker, client: &mut Socket) -> Result<Option<BytesMut>, Refusal> {
    let limits = &worker.post.limits;
    while is_blank(client) {
        let more = tokio::select! {
            more = timeout(limits.keep_alive, client.fill()) => more,
            () = worker.stopped() => return Ok(None),
        };
        if !matches!(more, Ok(Ok(1..))) {
            return Ok(None);
        }
    }
    let deadline = Instant::now() + limits.head;
    match timeout_at(deadline, rest_of_head(client, limits.request_head_bytes)).await {
        Ok(head) => head,
        Err(_) => Err(Refusal::new(408, "request head too slow")),
    }
}

/// Whether no request has begun. Empty lines between two are let go.
fn is_blank(client: &mut Socket) -> bool {
    while client.ahead.starts_with(b"\r\n") {
        client.consume(2);
    }
    client.ahead.is_empty() || client.ahead[..] == b"\r"[..]
}

async fn rest_of_head(client: &mut Socket, limit: usize) -> Result<Option<BytesMut>, Refusal> {
    let mut from = 0;
    loop {
        match scan(&client.ahead, from) {
            Scan::Whole(end) if end > limit => return Err(Refusal::new(431, "head too large")),
            Scan::Whole(end) => return Ok(Some(client.consume(end))),
            Scan::BadLineEnd => return Err(Refusal::new(400, "bare line end")),
            Scan::Partial(next) => from = next,
        }
        if client.ahead.len() > limit {
            return Err(Refusal::new(431, "head too large"));
        }
        if !matches!(client.fill().await, Ok(1..)) {
            return Ok(None);
        }
    }
}

/// Answers a request that goes no further, and ends the connection: where its body ends, if it
/// has one, nobody knows.
async fn refuse(
    worker: &Worker,
    client: &mut Socket,
    (refusal, visitor): (Refusal, Visitor),
) -> bool {
    let page = Page::refused(refusal.status);
    let head_only = refusal.line.method == "HEAD";
    let (bytes, body) = page.render(Wanted {
        text: false,
        head_only,
        closes: true,
    });
    // A client that is gone has no use for the page.
    let _ = timeout(LINGER, client.write_all(&bytes)).await;
    let host = refusal.line.host.unwrap_or_default();
    if let Ok(site) = worker.post.routes.site(visitor.entrance, &host) {
        let record = Record {
            method: refusal.line.method,
            path: refusal.line.path,
            host,
            forwarded_for: visitor.ip.to_canonical().to_string(),
            status: refusal.status,
            bytes: body,
            fault: Some(Fault {
                code: Code::RequestError,
                cause: Some(refusal.cause),
            }),
            from: worker.post.routes.source(visitor.entrance),
            ..Record::default()
        };
        worker.log(site.app, &record);
    }
    false
}

/// Closes so that the last answer arrives: what the client still sends is read for a moment, for a
/// close with unread bytes is a reset that overtakes the answer.
async fn close(client: &mut Socket) {
    if client.shutdown().await.is_err() || client.has_ended {
        return;
    }
    client.ahead = BytesMut::new();
    let mut rest = Flow::new(b"", Body::UntilClose(false));
    // Either way the connection is dropped next.
    let _ = timeout(LINGER, poll_fn(|cx| rest.poll_discard(cx, client))).await;
}
