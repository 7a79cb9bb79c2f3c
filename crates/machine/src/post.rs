//! A post: one place of one release, or one one-off, as the rest of the machine sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use noon_domain::{
    Address, AppId, AppName, Endpoint, Exit, HealthChecks, Limits, Mount, Process, ProcessId,
    ProcessName, ProcessState, Reach, ReleaseId, Secret, Size, Timeouts, Timestamp, Version,
};
use tokio::sync::{mpsc, watch};

use crate::label::Role;
use crate::plan::Observed;

/// What stays the same through all runs at a post.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub app: AppId,
    pub app_name: AppName,
    pub slot: u32,
    pub name: ProcessName,
    pub role: Role,
    /// The release; a one-off's has no id.
    pub release: Option<(Option<ReleaseId>, Version)>,
    pub command: String,
    /// What it reaches; `None` is not known, of what an older noon started.
    pub reach: Option<Reach>,
    /// `None` for a build step.
    pub size: Option<Size>,
    /// How it is judged, beside its port.
    pub health: HealthChecks,
    /// How long a run may live.
    pub lifetime: Option<Duration>,
    /// No run may say that it was started earlier, whatever the clock says.
    pub not_before: Timestamp,
}

/// What it takes to start a run.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub layers: Vec<PathBuf>,
    pub upper: Option<PathBuf>,
    pub mounts: Vec<Mount>,
    pub env: BTreeMap<String, Secret<String>>,
    pub commit: Option<String>,
    pub reach: Reach,
    pub limits: Limits,
}

/// What the keeper of a post is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// It is no longer wanted.
    Retire,
    /// End it at once.
    Kill,
    /// Its first boot was judged and it is kept.
    Keep,
    /// This is how it is started again.
    Equip(Arc<Recipe>),
    /// So long it may take from now on.
    Patience(Timeouts),
    /// Send a signal to all its processes.
    Signal(i32),
    /// Its user is gone: hang up, and end it when it does not heed that.
    HangUp,
}

/// A post as it is at one moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub process: ProcessId,
    /// `None` when it ended for good.
    pub state: Option<ProcessState>,
    pub pending: bool,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub boot: Option<Duration>,
    pub address: Option<Address>,
    /// How long it may take, as is set for its type.
    pub timeouts: Timeouts,
    /// Its first process inside the walls, by its number outside.
    pub init: Option<u32>,
    /// Where the router can listen inside it, if it knows names of other apps.
    pub inside: Option<Address>,
    /// How the last run ended.
    pub exit: Option<Exit>,
    /// Whether it was told to end because its time was up.
    pub timed_out: bool,
    /// What went wrong last, as the end of a sentence that the process begins.
    pub why: Option<String>,
}

/// A handle on a post. The process is left alone, and its keeper goes, when the last one does.
#[derive(Debug)]
pub(crate) struct Post {
    pub identity: Identity,
    orders: mpsc::UnboundedSender<Order>,
    view: watch::Receiver<View>,
}

/// The keeper's side of a post.
pub(crate) struct Desk {
    pub orders: mpsc::UnboundedReceiver<Order>,
    pub view: watch::Sender<View>,
}

impl View {
    pub fn new(process: ProcessId, started_at: Timestamp) -> Self {
        Self {
            process,
            state: Some(ProcessState::Starting),
            pending: true,
            started_at,
            updated_at: Timestamp::now(),
            boot: None,
            address: None,
            timeouts: Timeouts::default(),
            init: None,
            inside: None,
            exit: None,
            timed_out: false,
            why: None,
        }
    }

    /// Whether its first boot came out, one way or the other.
    pub fn is_decided(&self) -> bool {
        !self.pending || !matches!(self.state, Some(ProcessState::Starting))
    }
}

impl View {
    /// Whether it ended for good, or is told to.
    pub fn is_leaving(&self) -> bool {
        matches!(
            self.state,
            None | Some(ProcessState::Draining | ProcessState::Stopping)
        )
    }
}

impl Post {
    pub fn new(identity: Identity, view: View) -> (Arc<Self>, Desk) {
        let (orders, received) = mpsc::unbounded_channel();
        let (sender, view) = watch::channel(view);
        let post = Self {
            identity,
            orders,
            view,
        };
        let desk = Desk {
            orders: received,
            view: sender,
        };
        (Arc::new(post), desk)
    }

    /// Tells its keeper something. A keeper that has gone needs no telling.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Whether its present run is this one.
    pub fn is_run(&self, process: ProcessId) -> bool {
        self.view.borrow().process == process
    }

    /// The post as it is now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Waits until the post looks like this, or has no keeper any more; how it looks then.
    pub async fn wait_until(&self, like: impl FnMut(&View) -> bool) -> View {
        let mut view = self.view.clone();
        match view.wait_for(like).await {
            Ok(view) => view.clone(),
            Err(_) => self.view(),
        }
    }

    /// Waits until it ended for good.
    pub async fn gone(&self) -> View {
        self.wait_until(|view| view.state.is_none()).await
    }

    /// The post as planning sees it; `None` for what is no part of a formation, or gone.
    pub fn observed(&self) -> Option<Observed> {
        let view = self.view();
        let release = self.identity.release.and_then(|(id, _)| id)?;
        (self.identity.role == Role::Formation).then_some(())?;
        Some(Observed {
            process: view.process,
            name: self.identity.name.clone(),
            release,
            command: self.identity.command.clone(),
            reach: self.identity.reach.clone(),
            size: self.identity.size.unwrap_or_default(),
            started_at: view.started_at,
            state: view.state?,
            pending: view.pending,
        })
    }

    /// The post as the rest of the platform sees it; `None` when it is gone.
    pub fn process(&self) -> Option<Process> {
        let view = self.view();
        let state = view.state?;
        let reachable = matches!(state, ProcessState::Up | ProcessState::Draining);
        let endpoint = |address| Endpoint {
            process: view.process,
            name: self.identity.name.clone(),
            address,
        };
        Some(Process {
            id: view.process,
            app: self.identity.app,
            name: self.identity.name.clone(),
            release: self.identity.release.map(|(_, version)| version),
            command: self.identity.command.clone(),
            size: self.identity.size,
            state,
            started_at: view.started_at,
            updated_at: view.updated_at,
            boot: view.boot,
            expires_at: self
                .identity
                .lifetime
                .map(|life| view.started_at.after(life)),
            endpoint: view.address.filter(|_| reachable).map(endpoint),
            inside: view.inside,
        })
    }
}
