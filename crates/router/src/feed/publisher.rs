//! Control's end of the feed.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use noon_domain::{ProcessId, RouteTable};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::FeedError;
use super::frame::{body, encode, receive, send};
use super::keep;
use super::socket_path::SocketPath;
use super::table::{Report, TableMessage};

/// A router that was connected a moment ago, or was not yet given the time to connect, is alive
/// and will be back: it tries ten times a second.
const COMING_BACK: Duration = Duration::from_secs(2);
/// The pause after an attempt to take a router in that failed.
const BREATH: Duration = Duration::from_millis(500);

/// Sends every router the newest routes, and knows which processes they are done with.
pub struct Publisher {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    ledger: Mutex<Ledger>,
    /// Rises when a table was published.
    edition: watch::Sender<u64>,
    /// Rises when the ledger changed.
    changed: watch::Sender<u64>,
}

/// What was published and what routers said to it.
struct Ledger {
    frame: Arc<Vec<u8>>,
    edition: u64,
    led_to: HashSet<ProcessId>,
    /// The first edition that led to a process no more.
    gone: HashMap<ProcessId, u64>,
    routers: HashMap<u64, RouterState>,
    next_router: u64,
    last_seen: Instant,
    /// The newest edition that is in the file, for routers that start while control is away.
    kept: Kept,
}

/// What is in the file of the newest table.
#[derive(Clone, Copy)]
enum Kept {
    /// There is no such file.
    Nowhere,
    /// This edition; 0 is one of an earlier control.
    Edition(u64),
}

#[derive(Default)]
struct RouterState {
    taken: Option<u64>,
    busy: HashSet<ProcessId>,
}

/// Whether the routers are as far as somebody waits for.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    Yes,
    No,
    /// Unless a router comes back by then.
    YesAt(Instant),
}

impl Publisher {
    /// Listens for routers; an old socket at the path gives way. With a file to keep the newest
    /// table in, no process counts as drained before that table leads to it no more: a router that
    /// starts while control is away begins with it. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`FeedError::Bind`].
    pub fn bind(path: &Path, kept: Option<PathBuf>) -> Result<Self, FeedError> {
        let listener = listen(path).map_err(|source| FeedError::Bind {
            path: path.to_owned(),
            source,
        })?;
        let shared = Arc::new(Shared {
            ledger: Mutex::new(Ledger::new(match kept {
                Some(_) => Kept::Edition(0),
                None => Kept::Nowhere,
            })),
            edition: watch::Sender::new(0),
            changed: watch::Sender::new(0),
        });
        let mut tasks = vec![tokio::spawn(accept(shared.clone(), listener)).abort_handle()];
        if let Some(path) = kept {
            tasks.push(tokio::spawn(keep_newest(shared.clone(), path)).abort_handle());
        }
        Ok(Self { shared, tasks })
    }

    /// Gives these routes to all routers, those that connect later included.
    ///
    /// # Errors
    /// [`FeedError::Encode`]; the table before stays.
    pub fn publish(&self, table: &RouteTable) -> Result<(), FeedError> {
        let edition = self.shared.ledger().publish(table)?;
        self.shared.edition.send_replace(edition);
        self.shared.note_change();
        Ok(())
    }

    /// Resolves once every connected router follows a table that does not lead to this process and
    /// has ended its last request there, upgraded connections included: the caller sets the limit.
    ///
    /// Resolves at once where no router is connected and none was two seconds ago.
    pub async fn drained(&self, process: ProcessId) {
        self.shared
            .wait_until(|ledger| ledger.drained(process))
            .await;
    }

    /// Resolves once every connected router follows the newest table that was published before the
    /// call. The caller sets the limit.
    ///
    /// Resolves at once where no router is connected and none was two seconds ago.
    pub async fn taken_up(&self) {
        let edition = self.shared.ledger().edition;
        self.shared
            .wait_until(|ledger| ledger.taken_up(edition))
            .await;
    }

    /// How many routers are connected.
    pub fn routers(&self) -> usize {
        self.shared.ledger().routers.len()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let at = SocketPath::open(path)?;
    match std::fs::remove_file(&at.short) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(&at.short),
    }
}

/// Serves routers until dropped, and drops their connections with it.
async fn accept(shared: Arc<Shared>, listener: UnixListener) {
    let mut routers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(routers.spawn(attend(shared.clone(), stream))),
                Err(error) => {
                    tracing::warn!(%error, "a router could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            },
            Some(_) = routers.join_next() => {}
        }
    }
}

/// Serves one router to the end of its connection.
async fn attend(shared: Arc<Shared>, stream: UnixStream) {
    let (mut from, mut to) = stream.into_split();
    let id = shared.ledger().connect();
    shared.note_change();
    let hear = async {
        loop {
            let report: Report = receive(&mut from).await?;
            shared.ledger().note(id, report);
            shared.note_change();
        }
    };
    let outcome: io::Result<()> = tokio::select! {
        heard = hear => heard,
        told = tell(&shared, &mut to) => told,
    };
    shared.ledger().disconnect(id);
    shared.note_change();
    tracing::info!(reason = ?outcome.err().map(|e| e.kind()), "a router is gone");
}

/// Sends the newest table, and each newer one; those in between are skipped.
async fn tell(shared: &Shared, to: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut editions = shared.edition.subscribe();
    loop {
        if *editions.borrow_and_update() > 0 {
            let frame = shared.ledger().frame.clone();
            send(to, &frame).await?;
        }
        editions.changed().await.map_err(io::Error::other)?;
    }
}

/// Keeps the newest table in a file; those in between are skipped.
async fn keep_newest(shared: Arc<Shared>, path: PathBuf) {
    let mut editions = shared.edition.subscribe();
    loop {
        let edition = *editions.borrow_and_update();
        if edition > 0 {
            save_newest(&shared, edition, path.clone()).await;
        }
        if editions.changed().await.is_err() {
            return;
        }
    }
}

async fn save_newest(shared: &Shared, edition: u64, path: PathBuf) {
    let frame = shared.ledger().frame.clone();
    let shown = path.display().to_string();
    let saved = tokio::task::spawn_blocking(move || keep::save(&path, body(&frame))).await;
    if let Ok(Err(error)) = saved {
        // A full disk must not keep processes from being stopped.
        tracing::warn!(%error, path = shown, "the routes cannot be kept");
    }
    shared.ledger().kept = Kept::Edition(edition);
    shared.note_change();
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_change(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    async fn wait_until(&self, done: impl Fn(&Ledger) -> Done) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            let now = done(&self.ledger());
            match now {
                Done::Yes => return,
                Done::YesAt(then) if Instant::now() >= then => return,
                // An error of either wait is only a reason to look again.
                Done::YesAt(then) => drop(timeout_at(then, changes.changed()).await),
                Done::No => drop(changes.changed().await),
            }
        }
    }
}

impl Ledger {
    fn new(kept: Kept) -> Self {
        Self {
            kept,
            frame: Arc::default(),
            edition: 0,
            led_to: HashSet::new(),
            gone: HashMap::new(),
            routers: HashMap::new(),
            next_router: 0,
            last_seen: Instant::now(),
        }
    }

    fn publish(&mut self, table: &RouteTable) -> Result<u64, FeedError> {
        let edition = self.edition + 1;
        let frame = encode(&TableMessage::new(edition, table)).map_err(FeedError::Encode)?;
        let ready = table
            .iter()
            .filter_map(|(_, b)| b.ready.as_ref().ok())
            .flatten();
        let led_to: HashSet<_> = ready.map(|e| e.process).collect();
        for process in self.led_to.difference(&led_to) {
            self.gone.insert(*process, edition);
        }
        self.gone.retain(|process, _| !led_to.contains(process));
        (self.frame, self.edition, self.led_to) = (Arc::new(frame), edition, led_to);
        Ok(edition)
    }

    fn connect(&mut self) -> u64 {
        self.next_router += 1;
        self.routers
            .insert(self.next_router, RouterState::default());
        self.next_router
    }

    fn disconnect(&mut self, router: u64) {
        self.routers.remove(&router);
        self.last_seen = Instant::now();
    }

    fn note(&mut self, router: u64, report: Report) {
        if let Some(state) = self.routers.get_mut(&router) {
            state.taken = Some(report.taken);
            state.busy = report.busy.into_iter().map(ProcessId::from_uuid).collect();
        }
        // What all follow, and whoever connects will follow at least, need not be remembered.
        let followed = self.routers.values().map(|r| r.taken.unwrap_or(0));
        let kept = match self.kept {
            Kept::Nowhere => None,
            Kept::Edition(kept) => Some(kept),
        };
        let oldest = followed.chain(kept).min();
        self.gone
            .retain(|_, edition| oldest.is_some_and(|oldest| *edition > oldest));
    }

    /// Whether the file is as new as this edition.
    fn keeps(&self, edition: u64) -> bool {
        match self.kept {
            Kept::Nowhere => true,
            Kept::Edition(kept) => kept >= edition,
        }
    }

    fn taken_up(&self, edition: u64) -> Done {
        if !self.keeps(edition) {
            return Done::No;
        }
        if self.routers.is_empty() {
            return Done::YesAt(self.last_seen + COMING_BACK);
        }
        let is_behind = |r: &RouterState| r.taken.unwrap_or(0) < edition;
        if self.routers.values().any(is_behind) {
            Done::No
        } else {
            Done::Yes
        }
    }

    fn drained(&self, process: ProcessId) -> Done {
        let needed = self.gone.get(&process).copied().unwrap_or(0);
        let is_kept_out = match self.kept {
            Kept::Nowhere => true,
            // What this control never led to may still be in the table of an earlier one.
            Kept::Edition(_) => !self.led_to.contains(&process) && self.keeps(needed.max(1)),
        };
        if !is_kept_out {
            return Done::No;
        }
        if self.routers.is_empty() {
            return Done::YesAt(self.last_seen + COMING_BACK);
        }
        let is_done = |r: &RouterState| {
            r.taken.is_some_and(|taken| taken >= needed) && !r.busy.contains(&process)
        };
        if !self.led_to.contains(&process) && self.routers.values().all(is_done) {
            Done::Yes
        } else {
            Done::No
        }
    }
}
