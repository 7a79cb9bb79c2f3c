//! The engine of this machine.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use noon_domain::{
    AppId, BoxFuture, Engine, EngineError, Exit, Intent, Io, LayerId, Network, Place, Process,
    ProcessFilter, ProcessSpec, ProcessType, Timeout, Visit,
};

use crate::convergence::Convergence;
use crate::house::House;
use crate::label::Role;
use crate::post::{Order, Post, View};
use crate::room_left::{self, Demand, Free, Surroundings, Usage};
use crate::rooms::Rooms;
use crate::{Error, Hooks, SHIM, Settings};

/// How long the end of a process may take after SIGKILL, its sweeping included.
const OBEDIENCE: Duration = Duration::from_secs(15);

/// Of so many running processes of a type is looked what they use.
const SAMPLE: usize = 8;

/// The engine of this machine. Dropping it leaves its processes running, to be adopted again.
pub struct Machine {
    pub(crate) house: Arc<House>,
    pub(crate) rooms: Arc<Rooms>,
}

impl Machine {
    /// Makes the machine ready to start processes; it takes none over yet.
    ///
    /// # Errors
    /// [`Error::ShimProgram`] and [`Error::File`].
    pub fn new(settings: Settings, hooks: Hooks) -> Result<Arc<Self>, Error> {
        let dir = &settings.shims_dir;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(Error::file("create", dir))?;
        let program = noon_sandbox::ShimProgram::from_bytes(SHIM).map_err(Error::ShimProgram)?;
        Ok(Arc::new(Self {
            house: House::new(settings, hooks, program),
            rooms: Arc::default(),
        }))
    }

    /// Ends the machine's work. With `keep_apps` the formation and the detached one-offs run on,
    /// to be adopted; without, everything is stopped, with SIGTERM and grace, and the way out to
    /// the world is taken down.
    pub async fn shutdown(&self, keep_apps: bool) {
        self.house.begin_to_close();
        let stays = |post: &&Arc<Post>| keep_apps && post.identity.role != Role::Attended;
        let posts = self.rooms.posts();
        let leaving: Vec<_> = posts.iter().filter(|post| !stays(post)).collect();
        leaving.iter().for_each(|post| post.order(Order::Retire));
        let gone = async {
            for post in &leaving {
                post.gone().await;
            }
            if !keep_apps {
                self.house.all_closed().await;
            }
        };
        // Draining, then grace; what still lives then does not even obey SIGKILL.
        let stops = leaving.iter().filter_map(|post| post.view().timeouts.stop);
        let longest = stops.map(Timeout::duration).max().unwrap_or_default();
        let grace = self.house.settings.rules.grace.max(longest);
        let limit = grace * 2 + OBEDIENCE;
        if tokio::time::timeout(limit, gone).await.is_err() {
            tracing::warn!("some processes did not end and are left to themselves");
        }
        if !keep_apps {
            let house = self.house.clone();
            let _ = tokio::task::spawn_blocking(move || house.egress.close()).await;
        }
    }

    pub(crate) fn layer_dir(&self, layer: &LayerId) -> PathBuf {
        self.house.settings.layers_dir.join(layer.to_string())
    }

    /// Checks that these places can be filled, with what their types use now.
    ///
    /// # Errors
    /// [`EngineError::NoRoom`].
    pub(crate) async fn check_room(
        &self,
        intent: &Intent,
        starts: &[Place],
    ) -> Result<(), EngineError> {
        if starts.is_empty() {
            return Ok(());
        }
        let neighbours = inits(&self.rooms.of(intent.app).posts());
        let any = neighbours.first().cloned();
        let any = any.or_else(|| inits(&self.rooms.posts()).pop());
        let kinds: Vec<_> = starts.iter().map(|place| place.name.kind.clone()).collect();
        let (house, outside) = (self.house.clone(), intent.reach.network == Network::Nat);
        let looked = tokio::task::spawn_blocking(move || {
            let demand = demand(&kinds, &neighbours, outside);
            let free = Free::look(&Surroundings {
                shims_dir: &house.settings.shims_dir,
                neighbour: any.map(|(_, init)| init),
                one_user: house.settings.mode != noon_sandbox::Mode::Root,
                ports: outside.then(|| house.egress.free_ports()).flatten(),
            });
            room_left::fits(&demand, &free)
        });
        looked.await.unwrap_or(Ok(()))
    }

    async fn restart_those(&self, app: AppId, which: &ProcessFilter) -> usize {
        let posts = self.rooms.of(app).posts();
        let by_name = matches!(which, ProcessFilter::Name(_));
        let meant = |post: &&Arc<Post>| {
            (by_name || post.identity.role == Role::Formation)
                && which.matches(&post.identity.name)
                && !post.view().is_leaving()
        };
        let meant: Vec<_> = posts.iter().filter(meant).collect();
        meant.iter().for_each(|post| post.order(Order::Retire));
        // Whoever converges next must not take them for what fills their places.
        for post in &meant {
            post.wait_until(View::is_leaving).await;
        }
        meant.len()
    }
}

/// What runs, by type, and its first process.
fn inits(posts: &[Arc<Post>]) -> Vec<(ProcessType, u32)> {
    let one = |post: &Arc<Post>| Some((post.identity.name.kind.clone(), post.view().init?));
    posts.iter().filter_map(one).collect()
}

/// What processes of these types will use: as much as those that run, as far as they are known.
fn demand(kinds: &[ProcessType], neighbours: &[(ProcessType, u32)], outside: bool) -> Demand {
    let mut known = HashMap::new();
    let mut demand = Demand::default();
    for kind in kinds {
        let usage = known.entry(kind).or_insert_with(|| {
            let own = neighbours.iter().filter(|(of, _)| of == kind);
            let sample: Vec<_> = own.take(SAMPLE).map(|(_, init)| Usage::of(*init)).collect();
            Usage::mean(&sample)
        });
        demand.add(*usage, outside);
    }
    demand
}

impl Engine for Machine {
    fn converge<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let room = self.rooms.of(intent.app);
            let _turn = room.turn.lock().await;
            Convergence::new(self, intent, room.clone()).run().await
        })
    }

    fn observe(&self, app: AppId) -> BoxFuture<'_, Result<Vec<Process>, EngineError>> {
        let posts = self.rooms.of(app).posts();
        let processes = posts.iter().filter_map(|post| post.process()).collect();
        Box::pin(std::future::ready(Ok(processes)))
    }

    fn run(&self, spec: ProcessSpec, io: Io) -> BoxFuture<'_, Result<Exit, EngineError>> {
        Box::pin(self.run_once(spec, io))
    }

    fn visit(&self, visit: Visit, io: Io) -> BoxFuture<'_, Result<Exit, EngineError>> {
        Box::pin(self.visit_once(visit, io))
    }

    fn restart<'a>(
        &'a self,
        app: AppId,
        which: &'a ProcessFilter,
    ) -> BoxFuture<'a, Result<usize, EngineError>> {
        Box::pin(async move { Ok(self.restart_those(app, which).await) })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.house.changed.notified())
    }
}
