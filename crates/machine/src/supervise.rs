//! Supervision of one place, as a pure function: `step(State, Event) -> (State, Vec<Effect>)`.
//!
//! One state follows one place of one release through all its runs: started, up, crashed, started
//! again, and at last retired. A one-off is the same with no second run. Time comes in with the
//! events and goes out as [`State::deadline`]; nothing here looks at a clock.

use std::time::Duration;

use noon_domain::{HealthCheck, HealthChecks, ProcessState, Timeout, Timeouts};

/// A moment, as the time since some beginning that all events share.
pub type Moment = Duration;

/// The delays that supervision keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a web process may take to listen.
    pub boot_limit: Duration,
    /// How long a process may take to end after SIGTERM, and a router to drain it before.
    pub grace: Duration,
    /// How long a process without a port must live to count as ready.
    pub settle: Duration,
    /// The delay before the second restart in a row; it doubles from there. The first has none.
    pub first_delay: Duration,
    /// The longest delay before a restart.
    pub longest_delay: Duration,
    /// How long a process must have been up for its earlier crashes to be forgotten.
    pub steady: Duration,
    /// So many unhealthy answers in a row are a crash of a web process that is up; `None` is one
    /// that is not asked.
    pub attempts: Option<u32>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            boot_limit: Duration::from_secs(60),
            grace: Duration::from_secs(30),
            settle: Duration::from_millis(300),
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(300),
            steady: Duration::from_secs(60),
            attempts: None,
        }
    }
}

impl Rules {
    /// The rules for processes that are given other times, and asked as their app declares.
    pub fn with(self, timeouts: Timeouts, health: &HealthChecks) -> Self {
        let Timeouts { boot, stop } = timeouts;
        Self {
            boot_limit: boot.map_or(self.boot_limit, Timeout::duration),
            grace: stop.map_or(self.grace, Timeout::duration),
            attempts: health.live.as_ref().map(HealthCheck::attempts),
            ..self
        }
    }

    /// The delay before the next start, after so many crashes in a row before this one.
    pub fn delay(&self, crashes: u32) -> Duration {
        let Some(doublings) = crashes.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first_delay
            .saturating_mul(factor)
            .min(self.longest_delay)
    }
}

/// What kind of process is supervised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Part of the formation; ready when its port answers; drained before it is stopped.
    Web,
    /// Part of the formation; ready when it lived for the settling time.
    Other,
    /// Expected to end: ready at once, never started twice.
    Once,
}

/// Where a supervised process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Being put inside its walls. When retired meanwhile, it is stopped as soon as it stands.
    Launching {
        /// Whether it is no longer wanted.
        retired: bool,
    },
    /// Running, and not yet ready.
    Starting {
        /// Since when.
        since: Moment,
    },
    /// Running, and being killed because it never listened.
    BootTimeout,
    /// Ready.
    Up {
        /// Since when.
        since: Moment,
    },
    /// Was up, and is being killed because it did not answer its health check.
    Unhealthy {
        /// Since when it had been up.
        since: Moment,
    },
    /// Leaving the router.
    Draining {
        /// When it is stopped at the latest.
        until: Moment,
    },
    /// Told to end.
    Stopping {
        /// When it is killed; `None` once it was.
        kill_at: Option<Moment>,
    },
    /// Ended without being told to.
    Crashed {
        /// When it is started again; `None` while its first boot is not judged.
        restart_at: Option<Moment>,
    },
    /// Ended for good.
    Gone,
}

/// One place of one release, or one one-off, under supervision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What kind of process it is.
    pub kind: Kind,
    /// Where it stands.
    pub phase: Phase,
    /// Whether nobody has yet taken note of how its first boot came out. Until then a crash is
    /// not answered with a restart.
    pub pending: bool,
    /// Crashes in a row.
    pub crashes: u32,
    /// Unhealthy answers in a row.
    pub failures: u32,
    rules: Rules,
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Its command runs.
    Launched,
    /// It could not be put inside its walls.
    LaunchFailed,
    /// It answers: its port, or its health check where it has one.
    Ready,
    /// While up it answered its health check well.
    Healthy,
    /// It answered badly, or not in time.
    Unhealthy,
    /// All of it ended.
    Ended,
    /// The router has no request of it left.
    Drained,
    /// A deadline may have passed.
    Tick,
    /// It is no longer wanted.
    Retire,
    /// Its first boot was judged and it is kept, whether it is ready or not.
    Keep,
    /// It has lived for as long as it may.
    TimeUp(Duration),
    /// Its user is gone, and it did not heed that.
    Abandoned,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Put it inside walls.
    Launch,
    /// Ask its port, again and again, and tell when it answers.
    Probe,
    /// Ask its health check after a while, once, and tell how it answered.
    Watch,
    /// Have the router let go of it, and tell when it has.
    Drain,
    /// SIGTERM to all its processes.
    Terminate,
    /// SIGKILL to all its processes.
    Kill,
    /// Tell the app's log.
    Say(Remark),
}

/// What the app's log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// It is being started.
    Starting,
    /// Its state changed.
    Changed(ProcessState, ProcessState),
    /// It was retired from this state and goes down.
    Down(ProcessState),
    /// SIGTERM goes to all its processes.
    Stopping,
    /// It did not listen in time.
    BootTimeout,
    /// It failed its health check so many times in a row.
    Unhealthy(u32),
    /// It did not end in time.
    ExitTimeout,
    /// It has lived for as long as it may, and is told to end.
    TimeUp(Duration),
    /// Its user is gone, it did not heed that, and is told to end.
    Detached,
}

impl State {
    /// A process that is to be launched; comes with the effects that begin it.
    pub fn launching(kind: Kind, rules: Rules) -> (Self, Vec<Effect>) {
        let state = Self {
            kind,
            phase: Phase::Launching { retired: false },
            pending: kind != Kind::Once,
            crashes: 0,
            failures: 0,
            rules,
        };
        (state, vec![Effect::Say(Remark::Starting), Effect::Launch])
    }

    /// A process that was found running, ready or not.
    pub fn found(kind: Kind, rules: Rules, phase: Phase) -> (Self, Vec<Effect>) {
        let state = Self {
            kind,
            phase,
            pending: !matches!(phase, Phase::Up { .. }),
            crashes: 0,
            failures: 0,
            rules,
        };
        let effects = match phase {
            Phase::Starting { .. } if kind == Kind::Web => vec![Effect::Probe],
            Phase::Up { .. } => state.watched(),
            _ => vec![],
        };
        (state, effects)
    }

    /// Whether it ended for good.
    pub fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// The state in Heroku's words; `None` when it ended for good.
    pub fn shown(&self) -> Option<ProcessState> {
        Some(match self.phase {
            Phase::Launching { retired: false } | Phase::Starting { .. } | Phase::BootTimeout => {
                ProcessState::Starting
            }
            Phase::Up { .. } => ProcessState::Up,
            Phase::Draining { .. } => ProcessState::Draining,
            Phase::Launching { retired: true } | Phase::Stopping { .. } => ProcessState::Stopping,
            Phase::Unhealthy { .. } | Phase::Crashed { .. } => ProcessState::Crashed,
            Phase::Gone => return None,
        })
    }

    /// When a [`Event::Tick`] is due.
    pub fn deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Starting { since } if self.kind == Kind::Web => {
                Some(since + self.rules.boot_limit)
            }
            Phase::Starting { since } => Some(since + self.rules.settle),
            Phase::Draining { until } => Some(until),
            Phase::Stopping { kill_at } => kill_at,
            Phase::Crashed { restart_at } => restart_at,
            _ => None,
        }
    }

    /// The same under other rules, which hold for whatever comes.
    pub fn under(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// The rules that it is under.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    fn watched(&self) -> Vec<Effect> {
        match (self.kind, self.rules.attempts) {
            (Kind::Web, Some(_)) => vec![Effect::Watch],
            _ => vec![],
        }
    }

    fn to(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    fn is_due(&self, now: Moment) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }
}

/// What follows from an event at a moment. Events that cannot matter in a state change nothing.
pub fn step(state: State, event: Event, now: Moment) -> (State, Vec<Effect>) {
    match event {
        Event::Launched => launched(state, now),
        Event::LaunchFailed | Event::Ended => ended(state, now),
        Event::Ready => ready(state, now),
        Event::Healthy => healthy(state),
        Event::Unhealthy => unhealthy(state),
        Event::Drained => drained(state, now),
        Event::Tick if state.is_due(now) => due(state, now),
        Event::Tick => (state, vec![]),
        Event::Retire => retire(state, now),
        Event::Keep => keep(state, now),
        Event::TimeUp(life) => no_longer(state, now, Remark::TimeUp(life)),
        Event::Abandoned => no_longer(state, now, Remark::Detached),
    }
}

fn launched(state: State, now: Moment) -> (State, Vec<Effect>) {
    let Phase::Launching { retired } = state.phase else {
        return (state, vec![]);
    };
    if retired {
        return stop(state, now);
    }
    match state.kind {
        Kind::Web => (
            state.to(Phase::Starting { since: now }),
            vec![Effect::Probe],
        ),
        Kind::Other => (state.to(Phase::Starting { since: now }), vec![]),
        Kind::Once => up(state, now),
    }
}

fn ready(state: State, now: Moment) -> (State, Vec<Effect>) {
    match state.phase {
        Phase::Starting { .. } => up(state, now),
        _ => (state, vec![]),
    }
}

fn up(state: State, now: Moment) -> (State, Vec<Effect>) {
    let next = State {
        phase: Phase::Up { since: now },
        pending: false,
        failures: 0,
        ..state
    };
    let mut effects = vec![changed(ProcessState::Starting, ProcessState::Up)];
    effects.extend(next.watched());
    (next, effects)
}

fn healthy(state: State) -> (State, Vec<Effect>) {
    match state.phase {
        Phase::Up { .. } => (
            State {
                failures: 0,
                ..state
            },
            state.watched(),
        ),
        _ => (state, vec![]),
    }
}

/// A process that does not answer would hardly obey SIGTERM, and others wait for its place.
fn unhealthy(state: State) -> (State, Vec<Effect>) {
    let (Phase::Up { since }, Some(attempts)) = (state.phase, state.rules.attempts) else {
        return (state, vec![]);
    };
    let failures = state.failures.saturating_add(1);
    let next = State { failures, ..state };
    if failures < attempts {
        return (next, next.watched());
    }
    (
        next.to(Phase::Unhealthy { since }),
        vec![Effect::Say(Remark::Unhealthy(failures)), Effect::Kill],
    )
}

fn ended(state: State, now: Moment) -> (State, Vec<Effect>) {
    let wanted = !matches!(
        state.phase,
        Phase::Draining { .. } | Phase::Stopping { .. } | Phase::Launching { retired: true }
    );
    match state.phase {
        Phase::Gone | Phase::Crashed { .. } => (state, vec![]),
        _ if wanted && state.kind != Kind::Once => crashed(state, now),
        _ => (state.to(Phase::Gone), vec![]),
    }
}

fn crashed(state: State, now: Moment) -> (State, Vec<Effect>) {
    let before = match state.phase {
        Phase::Unhealthy { .. } => ProcessState::Up,
        _ => state.shown().unwrap_or(ProcessState::Starting),
    };
    let steady = matches!(state.phase, Phase::Up { since } | Phase::Unhealthy { since } if now >= since + state.rules.steady);
    let crashes = if steady { 0 } else { state.crashes };
    let restart_at = (!state.pending).then(|| now + state.rules.delay(crashes));
    let next = State {
        phase: Phase::Crashed { restart_at },
        crashes: crashes.saturating_add(1),
        ..state
    };
    (next, vec![changed(before, ProcessState::Crashed)])
}

fn due(state: State, now: Moment) -> (State, Vec<Effect>) {
    match state.phase {
        Phase::Starting { .. } if state.kind == Kind::Web => (
            state.to(Phase::BootTimeout),
            vec![Effect::Say(Remark::BootTimeout), Effect::Kill],
        ),
        Phase::Starting { .. } => up(state, now),
        Phase::Draining { .. } => stop(state, now),
        Phase::Stopping { .. } => (
            state.to(Phase::Stopping { kill_at: None }),
            vec![Effect::Say(Remark::ExitTimeout), Effect::Kill],
        ),
        Phase::Crashed { .. } => (
            state.to(Phase::Launching { retired: false }),
            vec![
                changed(ProcessState::Crashed, ProcessState::Starting),
                Effect::Say(Remark::Starting),
                Effect::Launch,
            ],
        ),
        _ => (state, vec![]),
    }
}

fn retire(state: State, now: Moment) -> (State, Vec<Effect>) {
    match state.phase {
        Phase::Launching { .. } => (state.to(Phase::Launching { retired: true }), vec![]),
        Phase::Up { .. } if state.kind == Kind::Web => {
            let until = now + state.rules.grace;
            (state.to(Phase::Draining { until }), vec![Effect::Drain])
        }
        Phase::Up { .. } | Phase::Starting { .. } => stop(state, now),
        Phase::BootTimeout | Phase::Unhealthy { .. } => {
            (state.to(Phase::Stopping { kill_at: None }), vec![])
        }
        Phase::Crashed { .. } => (state.to(Phase::Gone), vec![]),
        Phase::Draining { .. } | Phase::Stopping { .. } | Phase::Gone => (state, vec![]),
    }
}

/// Ends a one-off, and says why.
fn no_longer(state: State, now: Moment, why: Remark) -> (State, Vec<Effect>) {
    match (state.kind, state.phase) {
        (Kind::Once, Phase::Up { .. }) => {
            let (state, mut effects) = stop(state, now);
            effects.insert(0, Effect::Say(why));
            (state, effects)
        }
        _ => (state, vec![]),
    }
}

fn drained(state: State, now: Moment) -> (State, Vec<Effect>) {
    match state.phase {
        Phase::Draining { .. } => stop(state, now),
        _ => (state, vec![]),
    }
}

fn stop(state: State, now: Moment) -> (State, Vec<Effect>) {
    let before = match state.phase {
        Phase::Draining { .. } => ProcessState::Up,
        _ => state.shown().unwrap_or(ProcessState::Starting),
    };
    let kill_at = Some(now + state.rules.grace);
    let mut effects = vec![Effect::Say(Remark::Stopping), Effect::Terminate];
    if state.kind != Kind::Once && before != ProcessState::Stopping {
        effects.insert(0, Effect::Say(Remark::Down(before)));
    }
    (state.to(Phase::Stopping { kill_at }), effects)
}

fn keep(state: State, now: Moment) -> (State, Vec<Effect>) {
    let state = State {
        pending: false,
        ..state
    };
    match state.phase {
        Phase::Crashed { restart_at: None } => {
            let restart_at = Some(now + state.rules.delay(state.crashes.saturating_sub(1)));
            (state.to(Phase::Crashed { restart_at }), vec![])
        }
        _ => (state, vec![]),
    }
}

fn changed(from: ProcessState, to: ProcessState) -> Effect {
    Effect::Say(Remark::Changed(from, to))
}

#[cfg(test)]
mod tests;
