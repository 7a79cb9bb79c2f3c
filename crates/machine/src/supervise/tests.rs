use proptest::prelude::*;

use super::*;

const S: Duration = Duration::from_secs(1);

fn at(seconds: u32) -> Moment {
    S * seconds
}

fn run(kind: Kind, events: &[(u32, Event)]) -> (State, Vec<Effect>) {
    let (mut state, mut all) = State::launching(kind, Rules::default());
    for (seconds, event) in events {
        let (next, effects) = step(state, *event, at(*seconds));
        state = next;
        all.extend(effects);
    }
    (state, all)
}

fn count(effects: &[Effect], one: Effect) -> usize {
    effects.iter().filter(|e| **e == one).count()
}

#[test]
fn a_web_process_is_up_when_its_port_answers_and_not_before() {
    let (state, _) = run(Kind::Web, &[(0, Event::Launched), (59, Event::Tick)]);
    assert_eq!(state.shown(), Some(ProcessState::Starting));
    let (state, effects) = run(Kind::Web, &[(0, Event::Launched), (2, Event::Ready)]);
    assert_eq!(state.shown(), Some(ProcessState::Up));
    assert_eq!(count(&effects, Effect::Probe), 1);
    assert!(!state.pending);
}

#[test]
fn a_web_process_that_never_listens_is_killed_with_r10_and_crashed() {
    let (state, effects) = run(Kind::Web, &[(0, Event::Launched), (60, Event::Tick)]);
    assert_eq!(state.shown(), Some(ProcessState::Starting));
    assert_eq!(
        effects[effects.len() - 2..],
        [Effect::Say(Remark::BootTimeout), Effect::Kill]
    );
    let (state, _) = step(state, Event::Ended, at(61));
    assert_eq!(state.shown(), Some(ProcessState::Crashed));
}

#[test]
fn another_process_is_up_once_it_settled() {
    let (state, _) = run(Kind::Other, &[(0, Event::Launched)]);
    assert_eq!(state.deadline(), Some(Duration::from_millis(300)));
    let (state, _) = step(state, Event::Tick, Duration::from_millis(300));
    assert_eq!(state.shown(), Some(ProcessState::Up));
}

#[test]
fn restarts_come_at_once_and_then_after_one_two_four_seconds_up_to_five_minutes() {
    let rules = Rules::default();
    let delays: Vec<_> = (0..12).map(|n| rules.delay(n).as_secs()).collect();
    assert_eq!(delays, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(rules.delay(u32::MAX).as_secs(), 300);
}

#[test]
fn a_minute_of_being_up_makes_earlier_crashes_forgotten() {
    let (mut state, _) = run(Kind::Web, &[(0, Event::Launched), (0, Event::Ready)]);
    for (ended, expected) in [(1, 1), (2, 2), (3, 3), (63, 1)] {
        (state, _) = step(state, Event::Ended, at(ended));
        assert_eq!(state.crashes, expected, "after the crash at {ended}");
        (state, _) = step(state, Event::Tick, state.deadline().unwrap());
        (state, _) = step(state, Event::Launched, at(ended));
        (state, _) = step(state, Event::Ready, at(ended));
    }
}

#[test]
fn a_first_boot_that_failed_waits_to_be_judged() {
    let (state, effects) = run(
        Kind::Web,
        &[(0, Event::Launched), (1, Event::Ended), (100, Event::Tick)],
    );
    assert_eq!(state.phase, Phase::Crashed { restart_at: None });
    assert_eq!(count(&effects, Effect::Launch), 1);
    let (kept, _) = step(state, Event::Keep, at(100));
    assert_eq!(kept.deadline(), Some(at(100)));
    let (retired, _) = step(state, Event::Retire, at(100));
    assert!(retired.is_gone());
}

#[test]
fn any_exit_of_the_formation_is_a_crash_and_none_of_a_one_off_is() {
    let (state, _) = run(Kind::Other, &[(0, Event::Launched), (1, Event::Tick)]);
    let (state, _) = step(state, Event::Ended, at(2));
    assert_eq!(state.shown(), Some(ProcessState::Crashed));
    let (state, _) = run(Kind::Once, &[(0, Event::Launched), (1, Event::Ended)]);
    assert!(state.is_gone());
}

#[test]
fn what_is_up_is_drained_then_told_then_killed() {
    let (state, effects) = run(
        Kind::Web,
        &[(0, Event::Launched), (0, Event::Ready), (5, Event::Retire)],
    );
    assert_eq!(effects.last(), Some(&Effect::Drain));
    assert_eq!(state.shown(), Some(ProcessState::Draining));
    let (state, effects) = step(state, Event::Drained, at(6));
    assert_eq!(
        effects,
        [
            Effect::Say(Remark::Down(ProcessState::Up)),
            Effect::Say(Remark::Stopping),
            Effect::Terminate
        ]
    );
    assert_eq!(state.deadline(), Some(at(36)));
    let (state, effects) = step(state, Event::Tick, at(36));
    assert_eq!(effects, [Effect::Say(Remark::ExitTimeout), Effect::Kill]);
    let (state, _) = step(state, Event::Ended, at(37));
    assert!(state.is_gone());
}

#[test]
fn a_drain_that_never_ends_is_cut_after_the_grace() {
    let (state, _) = run(
        Kind::Web,
        &[(0, Event::Launched), (0, Event::Ready), (5, Event::Retire)],
    );
    let (state, effects) = step(state, Event::Tick, at(35));
    assert_eq!(effects.last(), Some(&Effect::Terminate));
    assert_eq!(state.shown(), Some(ProcessState::Stopping));
}

#[test]
fn what_is_retired_while_it_is_launched_is_stopped_as_soon_as_it_stands() {
    let (state, effects) = run(Kind::Web, &[(0, Event::Retire), (1, Event::Launched)]);
    assert_eq!(effects.last(), Some(&Effect::Terminate));
    assert_eq!(state.deadline(), Some(at(31)));
    let (state, _) = run(Kind::Web, &[(0, Event::Retire), (1, Event::LaunchFailed)]);
    assert!(state.is_gone());
}

/// A web process that is up, and may fail its health check twice.
fn judged() -> (State, Vec<Effect>) {
    let rules = Rules {
        attempts: Some(3),
        ..Rules::default()
    };
    let (state, _) = State::launching(Kind::Web, rules);
    let (state, _) = step(state, Event::Launched, at(0));
    step(state, Event::Ready, at(0))
}

#[test]
fn a_web_process_that_fails_its_health_check_too_often_in_a_row_is_a_crash() {
    use Event::{Healthy, Unhealthy};
    let cases: [(&[Event], bool); 6] = [
        (&[Healthy, Healthy], true),
        (&[Unhealthy, Unhealthy], true),
        (&[Unhealthy, Unhealthy, Healthy, Unhealthy, Unhealthy], true),
        (&[Unhealthy, Unhealthy, Unhealthy], false),
        (&[Healthy, Unhealthy, Unhealthy, Unhealthy], false),
        (&[Unhealthy, Unhealthy, Unhealthy, Healthy], false),
    ];
    for (answers, stays) in cases {
        let (mut state, effects) = judged();
        assert_eq!(effects.last(), Some(&Effect::Watch));
        let mut all = vec![];
        for answer in answers {
            let (next, effects) = step(state, *answer, at(1));
            state = next;
            all.extend(effects);
        }
        assert_eq!(
            state.shown() == Some(ProcessState::Up),
            stays,
            "{answers:?}"
        );
        assert_eq!(
            count(&all, Effect::Kill),
            usize::from(!stays),
            "{answers:?}"
        );
        assert_eq!(all.last() == Some(&Effect::Watch), stays, "{answers:?}");
    }
}

#[test]
fn what_failed_its_health_check_is_started_again_as_after_any_crash() {
    let (mut state, _) = judged();
    for _ in 0..3 {
        (state, _) = step(state, Event::Unhealthy, at(1));
    }
    assert_eq!(state.shown(), Some(ProcessState::Crashed));
    assert_eq!(state.deadline(), None);
    let (retired, _) = step(state, Event::Retire, at(1));
    assert!(step(retired, Event::Ended, at(1)).0.is_gone());
    let (state, effects) = step(state, Event::Ended, at(2));
    assert_eq!(effects, [changed(ProcessState::Up, ProcessState::Crashed)]);
    assert_eq!((state.crashes, state.deadline()), (1, Some(at(2))));
    let (state, _) = step(state, Event::Tick, at(2));
    let (state, _) = step(state, Event::Launched, at(2));
    let (state, _) = step(state, Event::Ready, at(3));
    let (state, _) = step(state, Event::Unhealthy, at(4));
    assert_eq!(state.shown(), Some(ProcessState::Up), "old failures count");
}

#[test]
fn only_a_web_process_that_is_up_and_has_a_health_check_is_asked() {
    let (state, effects) = run(Kind::Web, &[(0, Event::Launched), (0, Event::Ready)]);
    assert_eq!(count(&effects, Effect::Watch), 0);
    assert_eq!(step(state, Event::Unhealthy, at(1)), (state, vec![]));
    let (draining, _) = step(judged().0, Event::Retire, at(1));
    for event in [Event::Healthy, Event::Unhealthy] {
        assert_eq!(step(draining, event, at(2)), (draining, vec![]));
    }
    let since = at(0);
    let rules = *judged().0.rules();
    let (_, effects) = State::found(Kind::Web, rules, Phase::Up { since });
    assert_eq!(effects, [Effect::Watch]);
    let (_, effects) = State::found(Kind::Other, rules, Phase::Up { since });
    assert_eq!(effects, []);
}

#[test]
fn other_rules_hold_for_whatever_comes() {
    let (state, _) = run(Kind::Web, &[(0, Event::Launched)]);
    let timeouts = Timeouts {
        boot: "2m".parse().ok(),
        stop: "90s".parse().ok(),
    };
    let rules = Rules::default().with(timeouts, &HealthChecks::default());
    let state = state.under(rules);
    assert_eq!(state.deadline(), Some(at(120)));
    let (state, _) = step(state, Event::Retire, at(100));
    assert_eq!(state.deadline(), Some(at(190)));
    let back = Rules::default().with(Timeouts::default(), &HealthChecks::default());
    assert_eq!(back, Rules::default());
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Launched),
        Just(Event::LaunchFailed),
        Just(Event::Ready),
        Just(Event::Healthy),
        Just(Event::Unhealthy),
        Just(Event::Ended),
        Just(Event::Drained),
        Just(Event::Tick),
        Just(Event::Retire),
        Just(Event::Keep),
    ]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    proptest::option::of(1u32..4).prop_map(|attempts| Rules {
        attempts,
        ..Rules::default()
    })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Web), Just(Kind::Other), Just(Kind::Once)]
}

/// What the world around a supervised process looks like: events that cannot happen in it
/// are not sent.
#[derive(Default)]
struct World {
    launching: bool,
    alive: bool,
    retired: bool,
    killed: bool,
    terminated: bool,
    launches: u32,
}

impl World {
    fn allows(&self, event: Event) -> bool {
        match event {
            Event::Launched | Event::LaunchFailed => self.launching,
            Event::Ended => self.alive,
            Event::Ready | Event::Healthy | Event::Unhealthy => self.alive,
            _ => true,
        }
    }

    fn feels(&mut self, event: Event) {
        match event {
            Event::Launched => (self.launching, self.alive) = (false, true),
            Event::LaunchFailed => self.launching = false,
            Event::Ended => self.alive = false,
            Event::Retire => self.retired = true,
            _ => {}
        }
    }

    fn obeys(&mut self, effect: Effect) {
        match effect {
            Effect::Launch => {
                assert!(!self.launching && !self.alive, "started beside itself");
                assert!(!self.retired, "started after it was retired");
                *self = Self {
                    launching: true,
                    launches: self.launches + 1,
                    ..Self::default()
                };
            }
            Effect::Terminate => {
                assert!(self.alive && self.retired && !self.terminated);
                self.terminated = true;
            }
            Effect::Kill => {
                assert!(self.alive && !self.killed);
                self.killed = true;
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn nothing_runs_twice_or_after_its_retirement_and_all_ends(
        kind in any_kind(), rules in any_rules(),
        events in proptest::collection::vec((any_event(), 0u64..40_000), 0..60),
    ) {
        let (mut state, effects) = State::launching(kind, rules);
        let mut world = World::default();
        effects.into_iter().for_each(|e| world.obeys(e));
        let mut now = Duration::ZERO;
        let end = [Event::Retire, Event::Launched, Event::Drained, Event::Ended];
        for (event, wait) in events.into_iter().chain(end.map(|e| (e, 0))) {
            now += Duration::from_millis(wait);
            if !world.allows(event) {
                continue;
            }
            world.feels(event);
            let (next, effects) = step(state, event, now);
            effects.into_iter().for_each(|e| world.obeys(e));
            state = next;
            if kind == Kind::Once {
                prop_assert!(world.launches == 1);
            }
        }
        prop_assert!(state.is_gone(), "{state:?}");
    }

    #[test]
    fn a_due_deadline_always_moves_on(
        kind in any_kind(), rules in any_rules(),
        events in proptest::collection::vec((any_event(), 0u64..90_000), 0..40),
    ) {
        let (mut state, _) = State::launching(kind, rules);
        let mut now = Duration::ZERO;
        for (event, wait) in events {
            now += Duration::from_millis(wait);
            (state, _) = step(state, event, now);
            if let Some(due) = state.deadline() {
                let (next, _) = step(state, Event::Tick, due.max(now));
                prop_assert!(next.deadline() != Some(due) || next.phase != state.phase);
            }
        }
    }
}

#[test]
fn a_one_off_whose_time_is_up_or_whose_user_is_gone_is_told_to_end_and_why() {
    let life = Duration::from_secs(60);
    let told = [
        (Event::TimeUp(life), Remark::TimeUp(life)),
        (Event::Abandoned, Remark::Detached),
    ];
    for (event, why) in told {
        let (state, effects) = run(Kind::Once, &[(0, Event::Launched), (60, event)]);
        let last = [
            Effect::Say(why),
            Effect::Say(Remark::Stopping),
            Effect::Terminate,
        ];
        assert_eq!(effects[effects.len() - 3..], last);
        assert_eq!(state.deadline(), Some(at(90)));
        // Once is enough.
        assert_eq!(step(state, event, at(61)), (state, vec![]));
        let (state, _) = run(Kind::Web, &[(0, Event::Launched), (0, Event::Ready)]);
        assert_eq!(step(state, event, at(60)), (state, vec![]));
    }
}
