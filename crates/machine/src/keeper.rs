//! The keeper of one post: the thin shell around [`crate::supervise`]. It hears what happens, asks
//! what follows, and does it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use noon_domain::{
    Exit, ProcessId, ProcessState, ProcessType, Size, Timeouts, Timestamp, Timing, Took,
};
use noon_sandbox::{Ended, Stdio};
use tokio::time::Instant;

use crate::address::LINK_PORT;
use crate::house::House;
use crate::judge::Judge;
use crate::label::Role;
use crate::launch::Launch;
use crate::live::{self, Live, Word};
use crate::post::{Desk, Identity, Order, Recipe};
use crate::rooms::Rooms;
use crate::supervise::{Effect, Event, Kind, Moment, Phase, Remark, State, step};
use crate::{Error, ports, remarks};

type Waiting<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

const SIGHUP: i32 = 1;
const SIGTERM: i32 = 15;

/// What a keeper is made of.
pub(crate) struct Charge {
    pub house: Arc<House>,
    pub rooms: Weak<Rooms>,
    pub identity: Identity,
    pub desk: Desk,
    /// How it is started; `None` for what was found running.
    pub recipe: Option<Arc<Recipe>>,
    /// How long it may take, as is set for its type.
    pub timeouts: Timeouts,
    /// Where the first run reads and prints; `None` is the log.
    pub stdio: Option<Stdio>,
}

/// The keeper of one post.
pub(crate) struct Keeper {
    charge: Charge,
    state: State,
    beginning: Instant,
    /// When the present run was launched by this keeper.
    launched_at: Option<Instant>,
    /// When the present run was told to end.
    told_at: Option<Instant>,
    live: Option<Live>,
    launching: Waiting<Result<Live, Error>>,
    judge: Judge,
    /// Signals that came while it was launched: its command may run, and print, before that ends.
    early: Vec<i32>,
    probing: Waiting<()>,
    watching: Waiting<bool>,
    draining: Waiting<()>,
    /// Until its time is up.
    expiring: Waiting<()>,
    /// Until it has had its time to heed that its user is gone.
    hung_up: Waiting<()>,
}

enum Happening {
    Told(Order),
    LeftAlone,
    Launched(Box<Result<Live, Error>>),
    Word(Word),
    Event(Event),
}

impl Keeper {
    /// Starts a process at the post and keeps it, in a task of its own.
    pub fn start(charge: Charge, kind: Kind) {
        let rules = charge.house.settings.rules;
        let rules = rules.with(charge.timeouts, &charge.identity.health);
        let (state, effects) = State::launching(kind, rules);
        Self::spawn(charge, state, effects, None);
    }

    /// Keeps a process that was found running, in a task of its own.
    pub fn take_over(charge: Charge, live: Live, found: (State, Vec<Effect>)) {
        Self::spawn(charge, found.0, found.1, Some(live));
    }

    fn spawn(charge: Charge, state: State, effects: Vec<Effect>, live: Option<Live>) {
        let keeper = Self {
            judge: Judge::new(charge.identity.health.clone()),
            charge,
            state,
            beginning: Instant::now(),
            launched_at: None,
            told_at: None,
            live,
            launching: None,
            early: Vec::new(),
            probing: None,
            watching: None,
            draining: None,
            expiring: None,
            hung_up: None,
        };
        tokio::spawn(keeper.run(effects));
    }

    async fn run(mut self, effects: Vec<Effect>) {
        let open = self.charge.house.open();
        self.begin_to_expire();
        self.act(effects).await;
        self.show();
        while !self.state.is_gone() {
            match self.happening().await {
                Happening::LeftAlone => return,
                Happening::Told(order) => self.obey(order).await,
                Happening::Launched(done) => self.launched(*done).await,
                Happening::Word(Word::Ended(ended)) => self.ended(ended).await,
                Happening::Word(Word::OverQuota(bytes)) => self.over_quota(bytes),
                Happening::Event(event) => self.take(event).await,
            }
            self.show();
        }
        if let Some(rooms) = self.charge.rooms.upgrade() {
            rooms.leave(
                &self.charge.identity,
                self.charge.desk.view.borrow().process,
            );
        }
        self.charge.house.changed.notify_one();
        drop(open);
    }

    async fn happening(&mut self) -> Happening {
        let deadline = self.state.deadline().map(|at| self.beginning + at);
        tokio::select! {
            order = self.charge.desk.orders.recv() => match order {
                Some(order) => Happening::Told(order),
                None => Happening::LeftAlone,
            },
            done = come(&mut self.launching) => Happening::Launched(Box::new(done)),
            word = word(self.live.as_ref()) => Happening::Word(word),
            () = come(&mut self.probing) => Happening::Event(Event::Ready),
            well = come(&mut self.watching) => Happening::Event(match well {
                true => Event::Healthy,
                false => Event::Unhealthy,
            }),
            () = come(&mut self.draining) => Happening::Event(Event::Drained),
            () = come(&mut self.expiring) => Happening::Event(self.time_up()),
            () = come(&mut self.hung_up) => Happening::Event(Event::Abandoned),
            () = sleep_until(deadline) => Happening::Event(Event::Tick),
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Retire => self.take(Event::Retire).await,
            Order::Keep => self.take(Event::Keep).await,
            Order::Equip(recipe) => self.charge.recipe = Some(recipe),
            Order::Patience(timeouts) => self.be_patient(timeouts),
            Order::Signal(signal) => self.signal(signal).await,
            Order::HangUp => self.hang_up().await,
            Order::Kill => {
                self.take(Event::Retire).await;
                self.kill().await;
            }
        }
    }

    fn be_patient(&mut self, timeouts: Timeouts) {
        self.charge.timeouts = timeouts;
        let rules = self.charge.house.settings.rules;
        let rules = rules.with(timeouts, &self.charge.identity.health);
        self.state = self.state.under(rules);
    }

    async fn launched(&mut self, done: Result<Live, Error>) {
        match done {
            Ok(live) => {
                self.live = Some(live);
                self.begin_to_expire();
                for signal in std::mem::take(&mut self.early) {
                    self.signal(signal).await;
                }
                self.take(Event::Launched).await;
            }
            Err(error) => self.failed(&error).await,
        }
    }

    /// Has it end when its time is up, which began when it was started.
    fn begin_to_expire(&mut self) {
        let life = self.charge.identity.lifetime;
        if let (Some(life), Some(live)) = (life, &self.live) {
            let left = life.saturating_sub(Timestamp::now().since(live.label.started_at));
            self.expiring = Some(Box::pin(tokio::time::sleep(left)));
        }
    }

    fn time_up(&self) -> Event {
        let ends_for_this = matches!(self.state.phase, Phase::Up { .. });
        self.charge
            .desk
            .view
            .send_modify(|view| view.timed_out |= ends_for_this);
        Event::TimeUp(self.charge.identity.lifetime.unwrap_or_default())
    }

    async fn hang_up(&mut self) {
        self.signal(SIGHUP).await;
        let grace = self.charge.house.settings.rules.grace;
        self.hung_up = Some(Box::pin(tokio::time::sleep(grace)));
    }

    async fn failed(&mut self, error: &Error) {
        let why = chain(error);
        tracing::warn!(process = %self.charge.identity.name, error = %why, "a process did not start");
        self.say(format!("Process could not be started: {why}"));
        self.note_why(format!("could not be started: {why}"), None);
        self.take(Event::LaunchFailed).await;
    }

    fn over_quota(&self, bytes: u64) {
        if let Some(quota) = self.charge.identity.size.map(Size::memory) {
            self.say(remarks::memory(bytes, quota));
            self.say(remarks::OVER_QUOTA.to_owned());
        }
    }

    /// Says whose memory ran out, where that is how it ended.
    fn tell_of_memory(&self, ended: Ended, exit: Exit) {
        match (ended, self.charge.identity.size.map(Size::memory)) {
            (Ended::OutOfMemory, quota) => {
                // It met its limit, so that is what it used.
                let used = quota.map(|quota| remarks::memory(quota * 2, quota));
                used.into_iter().for_each(|used| self.say(used));
                self.say(remarks::OUT_OF_MEMORY.to_owned());
                self.say(remarks::KILLED.to_owned());
                self.note_why("used more memory than it may".to_owned(), Some(exit));
            }
            (Ended::MachineOutOfMemory, _) => {
                self.say(remarks::MACHINE_OUT_OF_MEMORY.to_owned());
                let why = "was ended because this machine ran out of memory";
                self.note_why(why.to_owned(), Some(exit));
            }
            _ => {}
        }
    }

    async fn ended(&mut self, ended: Ended) {
        let exit = live::exit(ended);
        self.tell_of_memory(ended, exit);
        self.say(remarks::exited(exit));
        if let Some(told_at) = self.told_at.take() {
            self.time(Took::Stop(told_at.elapsed()));
        }
        let why = match (self.state.shown(), self.state.kind) {
            (Some(ProcessState::Starting), Kind::Web) => {
                format!(
                    "{} before it {}",
                    remarks::how(exit),
                    self.judge.first_sign()
                )
            }
            (Some(ProcessState::Starting), _) => {
                format!("{} right after its start", remarks::how(exit))
            }
            _ => remarks::how(exit),
        };
        self.note_why(why, Some(exit));
        if let Some(live) = self.live.take() {
            live.dismiss(&self.charge.house);
        }
        self.take(Event::Ended).await;
    }

    /// A sentence that was noted for this run stands: what came after is its consequence.
    fn note_why(&self, why: String, exit: Option<Exit>) {
        self.charge.desk.view.send_modify(|view| {
            view.why.get_or_insert(why);
            view.exit = exit;
        });
    }

    async fn take(&mut self, event: Event) {
        let (state, effects) = step(self.state, event, self.now());
        let is_up = |state: &State| matches!(state.phase, Phase::Up { .. });
        if is_up(&state) && !is_up(&self.state) {
            self.note_ready();
        }
        self.state = state;
        if !is_up(&state) {
            self.watching = None;
        }
        if !matches!(state.phase, Phase::Starting { .. }) {
            self.probing = None;
        }
        if !matches!(state.phase, Phase::Draining { .. }) {
            self.draining = None;
        }
        self.act(effects).await;
    }

    async fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Launch => self.launch(),
                Effect::Probe => self.probe(),
                Effect::Watch => self.watch(),
                Effect::Drain => self.drain(),
                Effect::Terminate => {
                    self.told_at.get_or_insert_with(Instant::now);
                    self.signal(SIGTERM).await;
                }
                Effect::Kill => self.kill().await,
                Effect::Say(remark) => self.remark(remark),
            }
        }
    }

    fn launch(&mut self) {
        let Some(recipe) = self.charge.recipe.clone() else {
            // Found running and never equipped: the next convergence fills the place.
            self.state.phase = Phase::Gone;
            return;
        };
        let first = self.launched_at.is_none() && self.state.crashes == 0;
        let named = self.charge.desk.view.borrow().process;
        let process = if first { named } else { ProcessId::new() };
        let started_at = Timestamp::now().max(self.charge.identity.not_before);
        self.charge.desk.view.send_modify(|view| {
            (view.process, view.started_at) = (process, started_at);
            (view.boot, view.address, view.inside, view.why) = (None, None, None, None);
        });
        self.launched_at = Some(Instant::now());
        let launch = Launch {
            house: self.charge.house.clone(),
            identity: self.charge.identity.clone(),
            recipe,
            process,
            started_at,
            stdio: self.charge.stdio.take().unwrap_or(Stdio::Piped),
            timeouts: self.charge.timeouts,
        };
        self.launching = Some(Box::pin(launch.go()));
    }

    fn probe(&mut self) {
        if let Some(target) = self.live.as_ref().and_then(Live::target) {
            self.probing = Some(self.judge.ready(target));
        }
    }

    fn watch(&mut self) {
        if let Some(target) = self.live.as_ref().and_then(Live::target) {
            self.watching = self.judge.next_answer(target);
        }
    }

    fn note_ready(&self) {
        if let (Some(live), Some(_)) = (&self.live, self.judge.boot()) {
            live.note_ready();
        }
    }

    fn drain(&mut self) {
        self.show();
        let process = self.charge.desk.view.borrow().process;
        self.draining = Some((self.charge.house.hooks.drained)(process));
    }

    async fn signal(&mut self, signal: i32) {
        match &self.live {
            Some(live) => live.signal(signal).await,
            None if self.launching.is_some() => self.early.push(signal),
            None => {}
        }
    }

    async fn kill(&mut self) {
        if let Some(live) = &self.live {
            live.kill().await;
        }
    }

    fn remark(&self, remark: Remark) {
        let rules = self.state.rules();
        let mut text = remarks::text(remark, &self.charge.identity.command, rules);
        match (remark, self.judge.boot()) {
            (Remark::BootTimeout, Some(check)) => {
                let (what, limit) = (format!("answer {check} well"), rules.boot_limit.as_secs());
                text = remarks::boot_timeout(&what, rules);
                let last = self.judge.last();
                self.note_why(
                    format!("did not {what} within {limit} seconds: {last}"),
                    None,
                );
            }
            (Remark::BootTimeout, None) => self.note_why(self.why_it_never_listened(), None),
            (Remark::Unhealthy(_), _) => {
                text = format!("{text}: {}", self.judge.failure());
                self.note_why("failed its health check".to_owned(), None);
            }
            _ => {}
        }
        self.say(text);
    }

    fn why_it_never_listened(&self) -> String {
        let limit = self.state.rules().boot_limit.as_secs();
        let target = self.live.as_ref().filter(|live| !live.label.on_host);
        let others = target.map(|live| ports::listening(live.init_pid));
        let others = others.iter().flatten().filter(|port| **port != LINK_PORT);
        let others: Vec<_> = others.map(u16::to_string).collect();
        let port = target.map_or(ports::PORT, |live| live.label.port);
        if others.is_empty() {
            format!("did not listen on $PORT ({port}) within {limit} seconds")
        } else {
            let others = others.join(", ");
            format!("did not listen on $PORT ({port}) within {limit} seconds, but on {others}")
        }
    }

    fn say(&self, text: String) {
        let who = &self.charge.identity;
        if who.name.kind != ProcessType::build() {
            self.charge.house.say(who.app, &who.name, text);
        }
    }

    /// Shows others how the post is now, and tells them when that is news.
    fn show(&self) {
        let (state, pending) = (self.state.shown(), self.state.pending);
        let address = self.live.as_ref().map(Live::address);
        let address = address.filter(|_| self.state.kind == Kind::Web);
        let init = self.live.as_ref().map(|live| live.init_pid);
        let mut booted = None;
        let inside = self.live.as_ref().and_then(Live::inside);
        let news = self.charge.desk.view.send_if_modified(|view| {
            let news = (view.state, view.pending) != (state, pending)
                || (&view.address, &view.inside) != (&address, &inside);
            if view.state != state {
                view.updated_at = Timestamp::now();
            }
            if state == Some(ProcessState::Up) && view.boot.is_none() {
                view.boot = self.launched_at.map(|at| at.elapsed());
                booted = view.boot;
            }
            (view.state, view.pending) = (state, pending);
            (view.address, view.inside) = (address, inside);
            view.timeouts = self.charge.timeouts;
            view.init = init;
            news
        });
        if let Some(booted) = booted {
            self.time(Took::Boot(booted));
        }
        if news {
            self.charge.house.changed.notify_one();
        }
    }

    /// Tells how long something of a formation took.
    fn time(&self, what: Took) {
        let who = &self.charge.identity;
        let (Role::Formation, Some((_, release))) = (who.role, who.release) else {
            return;
        };
        (self.charge.house.hooks.timed)(Timing {
            app: who.app,
            release,
            process: self.charge.desk.view.borrow().process,
            name: who.name.clone(),
            what,
            at: Timestamp::now(),
        });
    }

    fn now(&self) -> Moment {
        self.beginning.elapsed()
    }
}

async fn come<T>(waiting: &mut Waiting<T>) -> T {
    match waiting {
        Some(future) => {
            let value = future.await;
            *waiting = None;
            value
        }
        None => pending().await,
    }
}

async fn word(live: Option<&Live>) -> Word {
    match live {
        Some(live) => live.word().await,
        None => pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline + Duration::from_millis(1)).await,
        None => pending().await,
    }
}

/// An error and all that it stems from, as one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
