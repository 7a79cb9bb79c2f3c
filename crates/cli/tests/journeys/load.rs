//! No change fails a request: deploys, config changes and scalings under a steady load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{house, pushed};

/// How often each kind of change is made.
const ROUNDS: usize = 3;

#[test]
fn no_request_fails_through_deploys_config_changes_and_scalings() {
    let house = house().start();
    let repo = pushed(&house, "busy");
    let _ = repo.noon(&["ps", "scale", "web=2"]).ok();
    under_load(house.http, "busy.localhost", || {
        for round in 0..ROUNDS {
            repo.write("word", &format!("{round}\n")).commit("Again");
            let _ = repo.push().ok();
            let _ = repo
                .noon(&["config", "set", &format!("ROUND={round}")])
                .ok();
            let _ = repo.noon(&["ps", "scale", "web=3"]).ok();
            let _ = repo.noon(&["ps", "scale", "web=1"]).ok();
            let _ = repo.noon(&["ps", "restart"]).ok();
        }
    });
    house.tear_down();
}

/// Does something while four clients ask the app without pause, none of whom may be let down.
pub fn under_load(port: u16, host: &'static str, work: impl FnOnce()) {
    let (stop, done, failed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, done, failed) = (stop.clone(), done.clone(), failed.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = noon_testkit::get(port, host, "/slow/0.02");
                    done.fetch_add(1, Ordering::Relaxed);
                    if answer.status != 200 || answer.body != "slow" {
                        eprintln!("failed: {answer:?}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();
    work();
    stop.store(true, Ordering::Relaxed);
    clients
        .into_iter()
        .for_each(|client| client.join().expect("no client falls"));
    let (done, failed) = (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    assert!(done > 50, "only {done} requests were made");
    assert_eq!(failed, 0, "of {done} requests");
}
