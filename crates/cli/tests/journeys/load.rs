//! No change fails a request: deploys, config changes and scalings under a steady load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use noon_testkit::eventually;

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

/// Does something while clients ask an app without pause, none of whom may be let down.
pub fn under_load(port: u16, host: &str, work: impl FnOnce()) {
    let load = Load::on(port, host, ("/slow/0.02", "slow"));
    work();
    load.end();
}

/// Clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    /// Asks a host for a path again and again; each answer must be this.
    pub fn on(port: u16, host: &str, (path, body): (&'static str, &'static str)) -> Self {
        let (stop, done, failed): (Arc<AtomicBool>, Arc<AtomicUsize>, Arc<AtomicUsize>) =
            Default::default();
        let client = |_| {
            let (stop, done, failed) = (stop.clone(), done.clone(), failed.clone());
            let host = host.to_owned();
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = noon_testkit::get(port, &host, path);
                    done.fetch_add(1, Ordering::Relaxed);
                    if answer.status != 200 || answer.body != body {
                        eprintln!("failed: {answer:?}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            })
        };
        Self {
            clients: (0..4).map(client).collect(),
            stop,
            done,
            failed,
        }
    }

    /// Ends it once enough was asked; nobody was let down.
    pub fn end(self) {
        // What follows a change at once counts as well.
        eventually("enough requests were made", || {
            (self.done.load(Ordering::Relaxed) > 50).then_some(())
        });
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("no client falls");
        }
        let (done, failed) = (&self.done, &self.failed);
        let (done, failed) = (done.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
        assert_eq!(failed, 0, "of {done} requests");
    }
}
