//! Links: the router listens inside the processes of apps that are linked to others, and leads what
//! comes there to those others alone.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use noon_domain::{Address, ProcessId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::routes::Entrance;
use crate::worker::{Worker, accept};

/// The first pause after an attempt to listen that failed; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many attempts fail before that is worth a word: some seconds.
const PATIENCE: u32 = 12;

/// A task that ends when this is dropped.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens inside this thread's share of the processes, for as long as the table has them. Each
/// costs one descriptor, in one thread.
pub(crate) async fn keep(worker: Rc<Worker>, alive: mpsc::Sender<()>) {
    let mut changes = worker.post.routes.changes();
    let mut open: HashMap<ProcessId, Task> = HashMap::new();
    loop {
        changes.borrow_and_update();
        let mut wanted: HashMap<_, _> = worker.post.routes.insides().into_iter().collect();
        wanted.retain(|process, _| is_mine(*process, &worker));
        open.retain(|process, _| wanted.contains_key(process));
        for (process, address) in wanted {
            open.entry(process).or_insert_with(|| {
                let listening = listen(worker.clone(), (process, address), alive.clone());
                Task(tokio::task::spawn_local(listening).abort_handle())
            });
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn is_mine(process: ProcessId, worker: &Worker) -> bool {
    let post = &worker.post;
    process.as_uuid().as_u128() % post.threads as u128 == post.thread as u128
}

async fn listen(
    worker: Rc<Worker>,
    (process, address): (ProcessId, Address),
    alive: mpsc::Sender<()>,
) {
    let (mut pause, mut failures) = (FIRST_PAUSE, 0);
    let listener = loop {
        match open(&worker, &address).await {
            Ok(listener) => break listener,
            Err(error) => {
                failures += 1;
                // A process that is ending is told to leave the table soon; one that stays is told of.
                if failures == PATIENCE {
                    tracing::warn!(%error, ?address, "a process is left without links: trying on");
                }
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    accept(worker, listener, (Entrance::Inside(process), alive)).await;
}

/// The hook may ask a shim and wait for it: not on the thread that carries bytes.
async fn open(worker: &Worker, address: &Address) -> io::Result<TcpListener> {
    let (listen, address) = (worker.post.hooks.listen.clone(), address.clone());
    let made = tokio::task::spawn_blocking(move || listen(&address));
    let listener = made.await.map_err(io::Error::other)??;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Resolves when the link through which a request came has been gone for as long as what is in
/// flight may take; never for what came from the world.
pub(crate) async fn unlinked(worker: &Worker, entrance: Entrance, host: &str) {
    if entrance == Entrance::World {
        return pending().await;
    }
    let mut changes = worker.post.routes.changes();
    while worker.post.routes.site(entrance, host).is_ok() {
        if changes.changed().await.is_err() {
            return pending().await;
        }
    }
    sleep(worker.post.limits.unlink).await;
}
