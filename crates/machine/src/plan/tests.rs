use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use noon_domain::{
    AppId, HealthChecks, Network, ProcessTypes, Runnable, Slug, SlugId, StackName, Timeouts,
    Version,
};
use proptest::prelude::*;

use super::*;

fn release(number: u32) -> ReleaseId {
    ReleaseId::from_uuid(uuid::Uuid::from_u128(u128::from(number)))
}

fn runnable(number: u32) -> Arc<Runnable> {
    Arc::new(Runnable {
        id: release(number),
        version: Version::new(number),
        created_at: Timestamp::default(),
        slug: Slug {
            id: SlugId::from_bytes([0; 32]),
            stack: StackName::new("debian-12"),
            layers: vec![],
            process_types: ProcessTypes::default(),
            health: HealthChecks::default(),
            commit: "0".repeat(40).parse().unwrap(),
            builder: String::new(),
            created_at: Timestamp::default(),
        },
        env: BTreeMap::new(),
    })
}

fn place(name: &str, command: &str, not_before: i64) -> Place {
    Place {
        name: name.parse().unwrap(),
        command: command.to_owned(),
        not_before: Timestamp::from_micros(not_before),
        size: Size::default(),
        timeouts: Timeouts::default(),
        health: HealthChecks::default(),
    }
}

fn large(name: &str) -> Place {
    Place {
        size: Size::PerformanceL,
        ..place(name, "run", 0)
    }
}

fn patient(name: &str) -> Place {
    Place {
        timeouts: Timeouts {
            boot: "2m".parse().ok(),
            stop: "5m".parse().ok(),
        },
        ..place(name, "run", 0)
    }
}

fn intent(number: Option<u32>, places: Vec<Place>) -> Intent {
    Intent {
        app: AppId::new(),
        app_name: "demo".parse().unwrap(),
        slot: 1,
        release: number.map(runnable),
        reach: Network::Nat.into(),
        places,
    }
}

fn found(id: u128, name: &str, number: u32, state: ProcessState) -> Observed {
    Observed {
        process: ProcessId::from_uuid(uuid::Uuid::from_u128(id)),
        name: name.parse().unwrap(),
        release: release(number),
        command: "run".to_owned(),
        reach: Some(Network::Nat.into()),
        size: Size::default(),
        started_at: Timestamp::from_micros(10),
        state,
        pending: state == ProcessState::Starting,
    }
}

fn reaching(reach: Reach, places: Vec<Place>) -> Intent {
    Intent {
        reach,
        ..intent(Some(1), places)
    }
}

fn linked(names: &[&str]) -> Reach {
    Reach {
        network: Network::Nat,
        links: names.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

fn shown(steps: &[Step]) -> Vec<String> {
    let one = |step: &Step| match step {
        Step::Start(place) => format!("start {}", place.name),
        Step::Await(id) => format!("await {}", id.as_uuid().as_u128()),
        Step::Retire(id) => format!("retire {}", id.as_uuid().as_u128()),
    };
    steps.iter().map(one).collect()
}

#[test]
fn each_case_has_its_next_round() {
    use ProcessState::{Crashed, Draining, Starting, Stopping, Up};
    let web = |n| place(&format!("web.{n}"), "run", 0);
    let crashed_first = Observed {
        pending: true,
        ..found(2, "web.1", 2, Crashed)
    };
    let with_links = Observed {
        reach: Some(linked(&["a.internal"])),
        ..found(1, "web.1", 1, Up)
    };
    let unknown = Observed {
        reach: None,
        ..found(1, "web.1", 1, Up)
    };
    let cases: [(&str, Intent, Vec<Observed>, &[&str]); 21] = [
        ("nothing", intent(None, vec![]), vec![], &[]),
        (
            "first",
            intent(Some(1), vec![web(1)]),
            vec![],
            &["start web.1"],
        ),
        (
            "done",
            intent(Some(1), vec![web(1)]),
            vec![found(1, "web.1", 1, Up)],
            &[],
        ),
        (
            "new release",
            intent(Some(2), vec![web(1)]),
            vec![found(1, "web.1", 1, Up)],
            &["start web.1"],
        ),
        (
            "new release starting",
            intent(Some(2), vec![web(1)]),
            vec![found(1, "web.1", 1, Up), found(2, "web.1", 2, Starting)],
            &["await 2"],
        ),
        (
            "new release up",
            intent(Some(2), vec![web(1)]),
            vec![found(1, "web.1", 1, Up), found(2, "web.1", 2, Up)],
            &["retire 1"],
        ),
        (
            "old draining",
            intent(Some(2), vec![web(1)]),
            vec![found(1, "web.1", 1, Draining), found(2, "web.1", 2, Up)],
            &[],
        ),
        (
            "scale down",
            intent(Some(1), vec![web(1)]),
            vec![found(1, "web.1", 1, Up), found(2, "web.2", 1, Up)],
            &["retire 2"],
        ),
        (
            "one ready of two",
            intent(Some(2), vec![web(1), web(2)]),
            vec![
                found(1, "web.1", 1, Up),
                found(2, "web.1", 2, Up),
                found(3, "web.2", 2, Starting),
            ],
            &["await 3"],
        ),
        (
            "told to stop by restart",
            intent(Some(1), vec![web(1)]),
            vec![found(1, "web.1", 1, Stopping)],
            &["start web.1"],
        ),
        (
            "crashed and waiting for its restart",
            intent(Some(1), vec![web(1)]),
            vec![found(1, "web.1", 1, Crashed)],
            &[],
        ),
        (
            "crashed at its first boot",
            intent(Some(2), vec![web(1)]),
            vec![found(1, "web.1", 1, Up), crashed_first],
            &["await 2"],
        ),
        (
            "another size wanted",
            intent(Some(1), vec![large("web.1")]),
            vec![found(1, "web.1", 1, Up)],
            &["start web.1"],
        ),
        (
            "another patience and judgement wanted",
            intent(Some(1), vec![patient("web.1")]),
            vec![found(1, "web.1", 1, Up)],
            &[],
        ),
        (
            "restart wanted",
            intent(Some(1), vec![place("web.1", "run", 11)]),
            vec![found(1, "web.1", 1, Up)],
            &["start web.1"],
        ),
        (
            "another network wanted",
            reaching(Network::None.into(), vec![web(1)]),
            vec![found(1, "web.1", 1, Up)],
            &["start web.1"],
        ),
        (
            "a link wanted",
            reaching(linked(&["a.internal"]), vec![web(1)]),
            vec![found(1, "web.1", 1, Up)],
            &["start web.1"],
        ),
        (
            "a link no longer wanted",
            intent(Some(1), vec![web(1)]),
            vec![with_links],
            &[],
        ),
        (
            "a reach that an older noon did not write down",
            reaching(linked(&["a.internal"]), vec![web(1)]),
            vec![unknown],
            &[],
        ),
        (
            "two for one place",
            intent(Some(1), vec![web(1)]),
            vec![found(1, "web.1", 1, Crashed), found(2, "web.1", 1, Up)],
            &["retire 1"],
        ),
        (
            "all off",
            intent(None, vec![web(1)]),
            vec![found(1, "web.1", 1, Up), found(2, "run.1", 1, Starting)],
            &["retire 1", "retire 2"],
        ),
    ];
    for (what, intent, observed, expected) in cases {
        assert_eq!(shown(&plan(&intent, &observed)), expected, "{what}");
    }
}

/// A world in which every step does what it says.
fn take(step: &Step, world: &mut Vec<Observed>, intent: &Intent, fresh: &mut u128) {
    match step {
        Step::Start(place) => {
            *fresh += 1;
            world.push(Observed {
                process: ProcessId::from_uuid(uuid::Uuid::from_u128(*fresh)),
                name: place.name.clone(),
                release: intent.release.as_ref().unwrap().id,
                command: place.command.clone(),
                reach: Some(intent.reach.clone()),
                size: place.size,
                started_at: place.not_before.max(Timestamp::from_micros(100)),
                state: ProcessState::Starting,
                pending: true,
            });
        }
        Step::Await(id) => {
            let found = world.iter_mut().find(|o| o.process == *id).unwrap();
            (found.state, found.pending) = (ProcessState::Up, false);
        }
        Step::Retire(id) => {
            let found = world.iter_mut().find(|o| o.process == *id).unwrap();
            found.state = ProcessState::Draining;
        }
    }
}

fn any_size() -> impl Strategy<Value = Size> {
    prop_oneof![Just(Size::Standard1X), Just(Size::Standard2X)]
}

fn any_world() -> impl Strategy<Value = Vec<Observed>> {
    let state = prop_oneof![
        Just(ProcessState::Starting),
        Just(ProcessState::Up),
        Just(ProcessState::Draining),
        Just(ProcessState::Stopping),
        Just(ProcessState::Crashed)
    ];
    let one = (
        "(web|worker)\\.[1-3]",
        1u32..3,
        "run|old",
        0i64..20,
        (state, any_size()),
        any::<bool>(),
    );
    proptest::collection::vec(one, 0..8).prop_map(|all| {
        type Drawn = (String, u32, String, i64, (ProcessState, Size), bool);
        let make = |(index, drawn): (usize, Drawn)| {
            let (name, number, command, started, (state, size), pending) = drawn;
            Observed {
                command,
                started_at: Timestamp::from_micros(started),
                pending: pending && state != ProcessState::Up,
                size,
                ..found(index as u128 + 1, &name, number, state)
            }
        };
        all.into_iter().enumerate().map(make).collect()
    })
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let one = (0i64..20, any_size());
    let places = proptest::collection::btree_map("(web|worker)\\.[1-3]", one, 0..5);
    (proptest::option::of(1u32..3), places).prop_map(|(number, places)| {
        let places = places.iter().map(|(name, (at, size))| Place {
            size: *size,
            ..place(name, "run", *at)
        });
        intent(number, places.collect())
    })
}

proptest! {
    #[test]
    fn rounds_end_and_then_there_is_nothing_to_do(
        intent in any_intent(), mut world in any_world()
    ) {
        let mut fresh = 1000;
        let mut rounds = 0;
        loop {
            let steps = plan(&intent, &world);
            if steps.is_empty() { break; }
            rounds += 1;
            prop_assert!(rounds <= 3, "{steps:?}");
            steps.iter().for_each(|s| take(s, &mut world, &intent, &mut fresh));
        }
        let names: BTreeSet<_> = intent.places.iter().map(|p| p.name.clone()).collect();
        let wanted = if intent.release.is_some() { names } else { BTreeSet::new() };
        let live: Vec<_> = world.iter().filter(|o| !is_leaving(o)).map(|o| o.name.clone()).collect();
        prop_assert_eq!(live.len(), wanted.len());
        prop_assert_eq!(live.into_iter().collect::<BTreeSet<_>>(), wanted);
    }

    #[test]
    fn no_place_is_ever_started_twice(intent in any_intent(), mut world in any_world()) {
        let mut fresh = 1000;
        let mut started = BTreeSet::new();
        for _ in 0..4 {
            for step in plan(&intent, &world) {
                if let Step::Start(place) = &step {
                    prop_assert!(started.insert(place.name.clone()));
                }
                take(&step, &mut world, &intent, &mut fresh);
            }
        }
    }

    #[test]
    fn nothing_is_retired_before_every_place_has_its_process(
        intent in any_intent(), world in any_world()
    ) {
        let steps = plan(&intent, &world);
        if steps.iter().any(|s| matches!(s, Step::Retire(_))) {
            for (place, release) in wanted(&intent, intent.release.as_ref().map(|r| r.id)) {
                let filled = best(place, (release, &intent.reach), &world.iter().collect::<Vec<_>>()).unwrap();
                prop_assert!(filled.state == ProcessState::Up || !filled.pending);
                prop_assert!(!steps.contains(&Step::Retire(filled.process)));
            }
        }
    }
}
