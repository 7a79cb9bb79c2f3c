//! One convergence of one app: plans a round, takes its steps, looks again, until there is
//! nothing left to do.

use std::sync::Arc;
use std::time::Duration;

use noon_domain::{EngineError, Intent, Place, ProcessId, ProcessState, Reach, Runnable, Size};
use tokio::task::JoinSet;

use crate::keeper::{Charge, Keeper};
use crate::label::Role;
use crate::machine::Machine;
use crate::plan::{Step, plan};
use crate::post::{Identity, Order, Post, Recipe, View};
use crate::rooms::Room;
use crate::settled::Settled;
use crate::supervise::Kind;

/// How long a convergence waits for the old to leave the router; they leave it anyway.
const LEAVING: Duration = Duration::from_secs(2);

/// One convergence of one app.
pub(crate) struct Convergence<'a> {
    machine: &'a Machine,
    intent: &'a Intent,
    room: Arc<Room>,
    settled: Settled,
    started: Vec<Arc<Post>>,
    retired: Vec<Arc<Post>>,
}

impl<'a> Convergence<'a> {
    /// A convergence of the app of this intent, whose room it is.
    pub fn new(machine: &'a Machine, intent: &'a Intent, room: Arc<Room>) -> Self {
        Self {
            machine,
            intent,
            room,
            settled: Settled::read(&machine.house.settings.shims_dir, intent.app),
            started: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// Takes rounds until the app looks like the intent.
    pub async fn run(mut self) -> Result<(), EngineError> {
        self.equip();
        loop {
            let steps = plan(self.intent, &self.room.observed());
            if steps.is_empty() {
                break;
            }
            let (starts, waits): (Vec<_>, Vec<_>) = self.sorted(steps);
            self.machine.check_room(self.intent, &starts).await?;
            self.start_all(&starts)?;
            self.wait(waits).await?;
            self.leave().await;
        }
        self.write_settled();
        self.leave_router().await;
        Ok(())
    }

    /// Retires what is to be retired, and gives back whom to start and whom to wait for.
    fn sorted(&mut self, steps: Vec<Step>) -> (Vec<Place>, Vec<ProcessId>) {
        let (mut starts, mut waits) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Start(place) => starts.push(place),
                Step::Await(process) => waits.push(process),
                Step::Retire(process) => self.retire(process),
            }
        }
        (starts, waits)
    }

    /// Gives what runs the patience that is set for its type now, and what was found running the
    /// means to be started again.
    fn equip(&self) {
        for post in self.room.posts() {
            let kind = &post.identity.name.kind;
            let of_kind = |place: &&Place| place.name.kind == *kind;
            if let Some(place) = self.intent.places.iter().find(of_kind)
                && post.view().timeouts != place.timeouts
            {
                post.order(Order::Patience(place.timeouts));
            }
        }
        let Some(release) = &self.intent.release else {
            return;
        };
        for post in self.room.posts() {
            let same_release = |(id, _)| id == Some(release.id);
            // What is to be replaced for what it reaches is left as it was until then.
            let reach = post.identity.reach.as_ref();
            let same_reach = reach.is_none_or(|reach| *reach == self.intent.reach);
            if post.identity.release.is_some_and(same_release) && same_reach {
                let size = post.identity.size.unwrap_or_default();
                let recipe = self.recipe(release, size);
                post.order(Order::Equip(recipe));
            }
        }
    }

    fn recipe(&self, release: &Runnable, size: Size) -> Arc<Recipe> {
        let reach = &self.intent.reach;
        Arc::new(self.machine.recipe_of(release, reach, size))
    }

    fn start_all(&mut self, starts: &[Place]) -> Result<(), EngineError> {
        if starts.is_empty() {
            return Ok(());
        }
        let machine = self.machine;
        let _leave = machine.house.still_starts(self.intent.app_name.as_str())?;
        starts.iter().for_each(|place| self.start(place));
        Ok(())
    }

    fn start(&mut self, place: &Place) {
        let Some(release) = &self.intent.release else {
            return;
        };
        let identity = Identity {
            app: self.intent.app,
            app_name: self.intent.app_name.clone(),
            slot: self.intent.slot,
            name: place.name.clone(),
            role: Role::Formation,
            release: Some((Some(release.id), release.version)),
            command: place.command.clone(),
            reach: Some(self.intent.reach.clone()),
            size: Some(place.size),
            health: place.health.clone(),
            lifetime: None,
            not_before: place.not_before,
        };
        let view = View::new(
            ProcessId::new(),
            place.not_before.max(noon_domain::Timestamp::now()),
        );
        let (post, desk) = Post::new(identity.clone(), view);
        self.room.enter(post.clone());
        self.started.push(post);
        let charge = Charge {
            house: self.machine.house.clone(),
            rooms: Arc::downgrade(&self.machine.rooms),
            identity,
            desk,
            recipe: Some(self.recipe(release, place.size)),
            timeouts: place.timeouts,
            stdio: None,
        };
        Keeper::start(charge, kind_of(place));
    }

    /// Waits until each of these first boots is decided; undoes all when one that matters failed.
    async fn wait(&mut self, processes: Vec<ProcessId>) -> Result<(), EngineError> {
        let mut waits = JoinSet::new();
        for post in processes.into_iter().filter_map(|id| self.room.find(id)) {
            waits.spawn(async move {
                let view = post.wait_until(View::is_decided).await;
                (post, view)
            });
        }
        while let Some(done) = waits.join_next().await {
            let Ok((post, view)) = done else { continue };
            if view.state == Some(ProcessState::Up) || !view.pending {
                continue;
            }
            if self.matters(&post) {
                return Err(self.undo(&post, view));
            }
            post.order(Order::Keep);
            post.wait_until(|view| !view.pending).await;
        }
        Ok(())
    }

    /// Whether the failure of a first boot is the failure of the whole: not when the place is
    /// only refilled, and nothing serves in it.
    fn matters(&self, post: &Post) -> bool {
        let Some((Some(release), _)) = post.identity.release else {
            return true;
        };
        let name = &post.identity.name;
        let serves = |other: &Arc<Post>| {
            other.identity.name == *name && other.view().state == Some(ProcessState::Up)
        };
        !self.settled.knows(release, name) || self.room.posts().iter().any(serves)
    }

    fn undo(&self, failed: &Post, view: View) -> EngineError {
        let release = self.intent.release.as_ref().map(|release| release.id);
        let new_release = self.settled.release != release;
        let of_release = |post: &&Arc<Post>| {
            new_release && post.observed().is_some_and(|o| Some(o.release) == release)
        };
        failed.order(Order::Retire);
        let posts = self.room.posts();
        for post in posts.iter().filter(of_release).chain(&self.started) {
            post.order(Order::Retire);
        }
        let version = self.intent.release.as_ref().map(|release| release.version);
        EngineError::Boot {
            process: failed.identity.name.clone(),
            release: version.unwrap_or(noon_domain::Version::FIRST),
            why: view
                .why
                .unwrap_or_else(|| "ended before it was ready".to_owned()),
        }
    }

    fn retire(&mut self, process: ProcessId) {
        if let Some(post) = self.room.find(process) {
            post.order(Order::Retire);
            self.retired.push(post);
        }
    }

    /// Waits until what was told to leave shows that it heard.
    async fn leave(&self) {
        for post in &self.retired {
            post.wait_until(View::is_leaving).await;
        }
    }

    async fn leave_router(&self) {
        let left = async {
            for post in &self.retired {
                let on_its_way =
                    |view: &View| matches!(view.state, None | Some(ProcessState::Stopping));
                post.wait_until(on_its_way).await;
            }
        };
        let _ = tokio::time::timeout(LEAVING, left).await;
    }

    fn write_settled(&self) {
        let now = Settled::after(self.intent);
        if now == self.settled {
            return;
        }
        let written = now.write(&self.machine.house.settings.shims_dir, self.intent.app);
        if let Err(error) = written {
            tracing::warn!(app = %self.intent.app_name, %error, "what stands was not written down");
        }
    }
}

fn kind_of(place: &Place) -> Kind {
    if place.name.kind.is_web() {
        Kind::Web
    } else {
        Kind::Other
    }
}

impl Machine {
    pub(crate) fn recipe_of(&self, release: &Runnable, reach: &Reach, size: Size) -> Recipe {
        let layers = release
            .slug
            .layers
            .iter()
            .map(|layer| self.layer_dir(&layer.id));
        Recipe {
            layers: layers.collect(),
            upper: None,
            mounts: Vec::new(),
            env: release.env.clone(),
            commit: Some(release.slug.commit.to_string()),
            reach: reach.clone(),
            limits: size.limits(),
        }
    }
}
