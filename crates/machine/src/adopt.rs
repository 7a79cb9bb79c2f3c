//! Adoption: taking over what an earlier machine left running, and sweeping what it left behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use noon_domain::{Exit, ProcessName, ProcessType, Timestamp};
use noon_sandbox::Shim;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::house::House;
use crate::keeper::{Charge, Keeper};
use crate::label::{Label, Role};
use crate::live::{self, Live};
use crate::machine::Machine;
use crate::outputs::shim_names;
use crate::post::{Identity, Order, Post, View};
use crate::supervise::{Kind, Phase, State};
use crate::{Error, remarks};

/// How long a shim that was being started when its machine went may take to answer.
const LATE: Duration = Duration::from_millis(500);
/// The pause between two questions to such a shim.
const PAUSE: Duration = Duration::from_millis(20);
/// So many directories are asked at once: their shims share the cores with us.
const AT_ONCE: usize = 32;
/// How long a port may take to answer before its process counts as still starting.
const ANSWER: Duration = Duration::from_millis(500);

/// What an adoption found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Processes that were taken over.
    pub taken: usize,
    /// Processes that are being stopped: build steps and attended one-offs, whose callers are
    /// gone, and web processes in networks that are out of reach.
    pub stopped: usize,
    /// Directories of processes that had ended.
    pub swept: usize,
}

enum Found {
    Running(Box<Live>, Phase),
    /// And how it ended, unless that was told before.
    Ended(Option<Box<Label>>, Option<Exit>),
}

impl Machine {
    /// Takes over every process that an earlier machine left running, with no restart, and sweeps
    /// what it left of those that ended. Web processes that answer are up when this returns. To
    /// be called once, before anything is started.
    ///
    /// # Errors
    /// [`Error::Closing`] when the runtime is shutting down.
    pub async fn adopt(&self) -> Result<Adopted, Error> {
        let mut asked = JoinSet::new();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        for name in shim_names(&self.house.settings.shims_dir) {
            let dir = self.house.settings.shims_dir.join(name);
            asked.spawn(find(dir, self.house.clone(), turns.clone()));
        }
        let (mut adopted, mut up) = (Adopted::default(), Vec::new());
        while let Some(found) = asked.join_next().await {
            match found.map_err(|_| Error::Closing)? {
                Found::Ended(label, exit) => {
                    self.tell_of_end(label, exit);
                    adopted.swept += 1;
                }
                Found::Running(live, phase) => {
                    let post = self.take_in(*live, phase, &mut adopted);
                    up.extend(matches!(phase, Phase::Up { .. }).then_some(post));
                }
            }
        }
        for post in up {
            post.wait_until(|view| !view.pending || view.is_leaving())
                .await;
        }
        Ok(adopted)
    }

    fn tell_of_end(&self, label: Option<Box<Label>>, exit: Option<Exit>) {
        if let (Some(label), Some(exit)) = (label, exit) {
            self.house
                .say(label.app, &label.name, remarks::exited(exit));
        }
    }

    /// Has a process kept that was found running in this phase.
    fn take_in(&self, live: Live, phase: Phase, adopted: &mut Adopted) -> Arc<Post> {
        let label = live.label.clone();
        let kind = kind(&label);
        let lost = kind == Kind::Web && !live.target().is_some_and(|target| target.is_in_reach());
        let mut view = View::new(label.process, label.started_at);
        view.address = Some(live.address()).filter(|_| kind == Kind::Web);
        let (post, desk) = Post::new(identity(&label), view);
        self.rooms.of(label.app).enter(post.clone());
        let charge = Charge {
            house: self.house.clone(),
            rooms: Arc::downgrade(&self.rooms),
            identity: post.identity.clone(),
            desk,
            recipe: None,
            timeouts: label.timeouts,
            stdio: None,
        };
        let rules = self.house.settings.rules;
        let rules = rules.with(label.timeouts, &label.health);
        let found = State::found(kind, rules, phase);
        Keeper::take_over(charge, live, found);
        match end_order(&label.name, label.role).or(lost.then_some(Order::Retire)) {
            Some(order) => {
                post.order(order);
                adopted.stopped += 1;
            }
            None => adopted.taken += 1,
        }
        post
    }
}

fn kind(label: &Label) -> Kind {
    match label.role {
        Role::Formation if label.name.kind.is_web() => Kind::Web,
        Role::Formation => Kind::Other,
        Role::Detached | Role::Attended => Kind::Once,
    }
}

/// What is done with a process that has lost whoever waited for it.
fn end_order(name: &ProcessName, role: Role) -> Option<Order> {
    match role {
        Role::Formation | Role::Detached => None,
        Role::Attended if name.kind == ProcessType::build() => Some(Order::Kill),
        Role::Attended => Some(Order::Retire),
    }
}

async fn phase(live: &Live, kind: Kind) -> Phase {
    let is_up = match (kind, live.target()) {
        // Whether its health is good now is asked by whoever keeps it, with patience.
        (Kind::Web, Some(_)) if live.label.health.boot.is_some() => live.was_ready(),
        (Kind::Web, Some(target)) => {
            tokio::time::timeout(ANSWER, target.answers()).await == Ok(true)
        }
        (Kind::Web, None) => false,
        (Kind::Other | Kind::Once, _) => true,
    };
    let since = Duration::ZERO;
    if is_up {
        Phase::Up { since }
    } else {
        Phase::Starting { since }
    }
}

fn identity(label: &Label) -> Identity {
    Identity {
        app: label.app,
        app_name: label.app_name.clone(),
        slot: 0,
        name: label.name.clone(),
        role: label.role,
        release: label.release,
        command: label.command.clone(),
        reach: label.reach.clone(),
        size: label.size,
        health: label.health.clone(),
        lifetime: label.lifetime,
        not_before: Timestamp::default(),
    }
}

/// Asks a directory what became of its process, and sweeps it when that has ended.
async fn find(dir: PathBuf, house: Arc<House>, turns: Arc<Semaphore>) -> Found {
    // Cannot fail: nobody closes it.
    let _turn = turns.acquire().await;
    let runtime = tokio::runtime::Handle::current();
    let asked = tokio::task::spawn_blocking(move || {
        let _inside = runtime.enter();
        find_blocking(&dir, &house)
    });
    match asked.await.unwrap_or(Found::Ended(None, None)) {
        Found::Running(live, _) => {
            let phase = phase(&live, kind(&live.label)).await;
            Found::Running(live, phase)
        }
        ended @ Found::Ended(..) => ended,
    }
}

fn find_blocking(dir: &Path, house: &Arc<House>) -> Found {
    match connect(dir).and_then(|shim| hold(shim, dir)) {
        Ok((live, None)) => {
            if let Some(slot) = live.label.egress {
                house.egress.keep(slot, live.netns().as_deref());
            }
            let since = Duration::ZERO;
            Found::Running(Box::new(live), Phase::Starting { since })
        }
        Ok((mut live, Some(exit))) => {
            let label = live.label.clone();
            if exit.is_none() {
                // Noted: its way out was given back, and may be another's by now.
                live.label.egress = None;
            }
            live.dismiss(house);
            Found::Ended(Some(Box::new(label)), exit)
        }
        Err(why) => {
            tracing::debug!(shim = %dir.display(), why, "a directory without a shim is swept");
            // One that is there and does not answer would stay for ever, and its process with it.
            let _ = noon_sandbox::end(dir);
            live::sweep(dir, None, house);
            Found::Ended(None, None)
        }
    }
}

/// Connects, and gives a shim that is only just starting a moment for it.
fn connect(dir: &Path) -> Result<Shim, String> {
    let ended = noon_sandbox::read_exit(dir).is_some();
    let mut waited = Duration::ZERO;
    loop {
        match Shim::connect(dir) {
            Ok(shim) => return Ok(shim),
            Err(error) if ended || waited >= LATE || !is_fresh(dir) => {
                return Err(error.to_string());
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
        waited += PAUSE;
    }
}

/// Whether the directory was made only a moment ago, or later than now: then the clock was set
/// back, and nothing says how old it is.
fn is_fresh(dir: &Path) -> bool {
    let made = dir.metadata().and_then(|found| found.modified());
    made.is_ok_and(|made| made.elapsed().unwrap_or_default() < LATE * 4)
}

/// Takes hold of a shim. How its process ended, if it has, and whether nobody has told of that yet.
fn hold(mut shim: Shim, dir: &Path) -> Result<(Live, Option<Option<Exit>>), String> {
    let status = shim.status().map_err(|e| e.to_string())?;
    let told = status.noted;
    let exit = status
        .ended
        .map(|ended| Some(live::exit(ended)).filter(|_| !told));
    let label = match Label::from_bytes(&status.label) {
        Ok(label) => label,
        Err(error) => {
            // Whatever it is, it stands in our directory and nobody else will end it.
            let _ = shim.kill();
            return Err(error.to_string());
        }
    };
    let live = Live::new(shim, label, dir.to_owned()).map_err(|e| e.to_string())?;
    Ok((live, exit))
}
