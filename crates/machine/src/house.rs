//! What all keepers of one machine share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use noon_domain::{AppId, EngineError, ProcessName};
use tokio::sync::{Notify, Semaphore, watch};

use crate::egress::Egress;
use crate::{Hooks, Settings, remarks};

/// What all keepers of one machine share: settings, hooks, the shim program, the way out.
pub(crate) struct House {
    pub settings: Settings,
    pub hooks: Hooks,
    pub program: noon_sandbox::ShimProgram,
    pub egress: Egress,
    /// Told whenever `observe` may answer differently.
    pub changed: Notify,
    /// How many processes are put inside walls at once.
    pub launches: Semaphore,
    /// Set once the machine ends its work: nothing is started any more.
    closing: AtomicBool,
    /// Held while a post enters its room, and while the machine begins to close: a post is either
    /// seen by who ends them all, or not made.
    door: Mutex<()>,
    open: watch::Sender<usize>,
}

/// Counts as open work until it is dropped.
pub(crate) struct Open(Arc<House>);

impl House {
    pub fn new(settings: Settings, hooks: Hooks, program: noon_sandbox::ShimProgram) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Arc::new(Self {
            egress: Egress::new(&settings),
            settings,
            hooks,
            program,
            changed: Notify::new(),
            launches: Semaphore::new(cores * 2),
            closing: AtomicBool::new(false),
            door: Mutex::default(),
            open: watch::channel(0).0,
        })
    }

    /// Notes that work began which a shutdown must wait for.
    pub fn open(self: &Arc<Self>) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open(self.clone())
    }

    /// Leave to start something, for as long as it is held.
    ///
    /// # Errors
    /// Once the machine ends its work.
    pub fn still_starts(&self, what: &str) -> Result<MutexGuard<'_, ()>, EngineError> {
        let leave = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_closing() {
            let what = format!("starting {what}");
            return Err(EngineError::Failed {
                what,
                source: "the server is stopping".into(),
            });
        }
        Ok(leave)
    }

    /// Has nothing be started from now on.
    pub fn begin_to_close(&self) {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.closing.store(true, Ordering::Release);
    }

    /// Whether the machine ends its work.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Resolves when no work is open.
    pub async fn all_closed(&self) {
        let mut open = self.open.subscribe();
        // Cannot fail: the sender is in `self`.
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// Writes a line of the platform about a process.
    pub fn say(&self, app: AppId, name: &ProcessName, text: String) {
        (self.hooks.sink)(remarks::line(app, name, text));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}
