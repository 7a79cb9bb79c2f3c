//! The verbs (factors V, VIII, XII): each a story that reads from top to bottom.
//!
//! A verb is handed a [`Permit`], writes to the store what was decided, and only then tells the
//! engine what the app should look like now: the whole intent, never the change. Deploy, config
//! change, rollback, scale and restart all end in the same convergence, and the reconcile loop
//! repeats it every 30 seconds and whenever the engine says that something may have changed.
//!
//! Invariants: a release that fails its phase or its boot never becomes current; what serves goes
//! on serving until the new has proved itself; nothing is decided from memory alone that the store
//! does not hold. Deliberately absent: HTTP, SQL, processes and every concrete engine.

mod apps;
mod claims;
mod config;
mod deploy;
mod directory;
mod error;
mod garbage;
mod identity;
mod intent;
mod links;
mod names;
mod network;
mod oneoff;
mod permit;
mod platform;
mod reconcile;
mod releases;
mod rollout;
mod routes;
mod scale;
mod times;
mod turns;
mod visit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noon_builder::Builder;
use noon_domain::{AppId, BoxFuture, Engine, NetworkPolicy, PlatformSink, RouteTable, StackName};
use noon_store::Store;
use tokio::sync::mpsc;

pub use apps::AppInfo;
pub use deploy::{Deployed, PushTurn};
pub use error::{Error, Kind};
pub use intent::{Restart, intent};
pub use links::LinkInfo;
pub use network::NetworkInfo;
pub use noon_store::PhaseOutput;
pub use oneoff::{Attachment, Claim, RunOrder};
pub use permit::{Deploy, Operate, Own, Permit, View};
pub use releases::Outcome;
pub use routes::{Routed, routes};
pub use times::{PlaceTimes, Times};
pub use visit::VisitOrder;

use claims::Claims;
use directory::Directory;
use names::Names;
use turns::Turns;

/// Where a verb's progress goes, line by line, while it happens.
pub type Out = mpsc::UnboundedSender<String>;

/// What control needs to know of the platform.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domain below which apps answer, as in `localhost`.
    pub domain: String,
    /// The port at which the router answers.
    pub port: u16,
    /// The stack of new apps.
    pub stack: StackName,
    /// How long a web process may take to boot where nothing is set.
    pub boot_timeout: Duration,
    /// How long a process may take to stop where nothing is set.
    pub stop_timeout: Duration,
    /// How far apps may reach.
    pub networks: NetworkPolicy,
    /// So many one-offs of one app may be at once.
    pub one_offs: usize,
}

/// What control is handed by whoever wires the house.
#[derive(Clone)]
pub struct Hooks {
    /// Takes the platform's log lines.
    pub sink: PlatformSink,
    /// Publishes the routes to all routers. Never blocks.
    pub routes: Arc<dyn Fn(&RouteTable) + Send + Sync>,
    /// Resolves once the routers follow what was published, or cannot be waited for.
    pub routed: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    /// Removes whatever other rooms keep for an app that was destroyed.
    pub forgotten: Arc<dyn Fn(AppId) -> BoxFuture<'static, ()> + Send + Sync>,
    /// How long processes took to boot and to stop, as the engine tells it.
    pub times: Times,
}

/// The verbs.
pub struct Control {
    store: Store,
    engine: Arc<dyn Engine>,
    builder: Arc<Builder>,
    settings: Settings,
    hooks: Hooks,
    pushes: Turns,
    releases: Turns,
    directory: Directory,
    claims: Claims,
    names: Names,
    looks: mpsc::UnboundedSender<AppId>,
    failures: Mutex<HashMap<(AppId, u32), String>>,
}

/// What the reconcile loop listens to. Handed to [`Control::reconcile`] once.
pub struct Looks(mpsc::UnboundedReceiver<AppId>);

impl Control {
    /// Puts the verbs together. Nothing happens until [`Control::reconcile`] runs.
    pub fn new(
        store: Store,
        engine: Arc<dyn Engine>,
        builder: Arc<Builder>,
        (settings, hooks): (Settings, Hooks),
    ) -> (Arc<Self>, Looks) {
        let (looks, receiver) = mpsc::unbounded_channel();
        let control = Self {
            store,
            engine,
            builder,
            settings,
            hooks,
            pushes: Turns::default(),
            releases: Turns::default(),
            directory: Directory::default(),
            claims: Claims::default(),
            names: Names::default(),
            looks,
            failures: Mutex::default(),
        };
        (Arc::new(control), Looks(receiver))
    }

    /// What the platform is called and where it answers.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}
