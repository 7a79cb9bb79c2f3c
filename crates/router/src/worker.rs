//! What one thread knows: the routes all threads share, and a pool of its own.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use noon_domain::{AppId, LogLine, LogSource, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::connection::{self, Visitor};
use crate::http::forwarded::Door;
use crate::inside;
use crate::pool::Pool;
use crate::record::Record;
use crate::routes::{Entrance, Routes};
use crate::settings::{Hooks, Limits, Network};
use crate::socket::Socket;

/// How often the pool is looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// How long to wait when the process has no descriptor left.
const BREATH: Duration = Duration::from_millis(50);

/// What every thread is given.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) routes: Routes,
    pub(crate) hooks: Hooks,
    pub(crate) limits: Limits,
    pub(crate) trusted: Vec<Network>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) thread: usize,
    pub(crate) threads: usize,
}

/// One thread of the router.
pub(crate) struct Worker {
    pub(crate) post: Post,
    pub(crate) pool: RefCell<Pool>,
    random: Cell<u64>,
}

impl Worker {
    /// A worker with an empty pool.
    pub(crate) fn new(post: Post) -> Self {
        let seed = RandomState::new().build_hasher().finish() | 1;
        Self {
            post,
            pool: RefCell::default(),
            random: Cell::new(seed),
        }
    }

    /// The next of a row of numbers, good enough for a choice (xorshift64*).
    pub(crate) fn random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Whether the router was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.post.stop.borrow()
    }

    /// Resolves when the router is told to stop.
    pub(crate) async fn stopped(&self) {
        // An error is a router that is gone without a word, which is a stop too.
        let _ = self.post.stop.clone().wait_for(|stops| *stops).await;
    }

    /// Writes a line into an app's log.
    pub(crate) fn log(&self, app: AppId, record: &Record) {
        (self.post.hooks.sink)(LogLine {
            app,
            at: Timestamp::now(),
            source: LogSource::Platform,
            process: "router".to_owned(),
            text: record.line(),
        });
    }

    /// Describes a connection to its requests.
    pub(crate) fn door(&self, visitor: &Visitor) -> Door {
        let client = visitor.ip;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Door {
            client,
            port: visitor.port,
            // An app that is linked to another is its owner's own, and tells of its own clients.
            is_trusted: visitor.entrance != Entrance::World
                || self.post.trusted.iter().any(|net| net.contains(client)),
            now_ms: u64::try_from(now.as_millis()).unwrap_or_default(),
        }
    }
}

/// Runs one thread to its end: accepts until told to stop, then finishes what is in flight.
pub(crate) async fn run(worker: Rc<Worker>, listeners: Vec<tokio::net::TcpListener>) {
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    for listener in listeners {
        let accept = accept(worker.clone(), listener, (Entrance::World, alive.clone()));
        tokio::task::spawn_local(accept);
    }
    let insides = tokio::task::spawn_local(inside::keep(worker.clone(), alive));
    let sweeper = tokio::task::spawn_local(sweep(worker.clone()));
    worker.stopped().await;
    insides.abort();
    if timeout(worker.post.limits.shutdown, all_gone.recv())
        .await
        .is_err()
    {
        tracing::warn!(
            thread = worker.post.thread,
            "requests were cut off by the router's stop"
        );
    }
    sweeper.abort();
}

/// Takes connections until told to stop. Each holds on to `alive`.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: tokio::net::TcpListener,
    (entrance, alive): (Entrance, mpsc::Sender<()>),
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = worker.stopped() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (worker, alive) = (worker.clone(), alive.clone());
                tokio::task::spawn_local(async move {
                    let port = stream.local_addr().as_ref().map_or(0, SocketAddr::port);
                    let visitor = Visitor {
                        ip: peer.ip(),
                        port,
                        entrance,
                    };
                    connection::run(&worker, Socket::new(stream), visitor).await;
                    drop(alive);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(BREATH).await;
            }
        }
    }
}

/// Keeps the pool clean: at each new table, and every second.
async fn sweep(worker: Rc<Worker>) {
    let mut changes = worker.post.routes.changes();
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
        worker.pool.borrow_mut().sweep();
    }
}
