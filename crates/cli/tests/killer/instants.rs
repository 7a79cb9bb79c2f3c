//! Control killed at given instants of each verb.

use std::time::Duration;

use crate::model::{Model, Verb};
use crate::settle::settle;
use crate::{app, house};

/// Milliseconds after a verb was begun, from before it arrives to after it is done.
const INSTANTS: [u64; 5] = [0, 80, 200, 450, 900];

#[test]
fn a_control_that_is_killed_at_any_instant_of_a_verb_comes_back_and_converges() {
    let _alone = crate::alone();
    let house = house();
    let repo = app(&house, (2, 1));
    let mut model = Model::new("word-1", (2, 1));
    settle(&house, &repo, &mut model);
    for (number, instant) in (2_u64..).zip(INSTANTS) {
        let scale = if number.is_multiple_of(2) {
            (4, 2)
        } else {
            (1, 1)
        };
        for verb in [
            Verb::Deploy(format!("word-{number}")),
            Verb::Scale(scale),
            Verb::Scale((2, 1)),
            Verb::Restart,
        ] {
            eprintln!("{verb:?}, control killed after {instant} ms");
            let running = model.begin(verb, &house, &repo);
            std::thread::sleep(Duration::from_millis(instant));
            house.kill_role("control");
            model.note(&running.wait());
            settle(&house, &repo, &mut model);
        }
    }
    drop(repo);
    house.tear_down();
}
