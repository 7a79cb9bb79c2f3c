//! The random killer: whatever of a house is killed, at any instant, nothing is lost, nothing is
//! doubled, and no request fails by the death of control or logs.
//!
//! A seed (`NOON_KILLER_SEED`, 11 unless told) makes the choices; how many kills there are is bounded
//! (`NOON_KILLER_KILLS`, 60 unless told). `bench/killer` runs the long form.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say where"
)]

mod chance;
mod instants;
mod lines;
mod load;
mod model;
mod report;
mod settle;
mod victims;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chance::Chance;
use lines::Reading;
use load::Load;
use model::{Done, Formation, Model};
use noon_testkit::{House, Repo, TestUser, eventually};
use report::Story;
use settle::settle;
use victims::Kill;

/// The app that everything happens to.
pub const APP: &str = "victim";
/// How many kills there are between two settlings, at most.
const BURST: u64 = 5;
/// How many of them may hit web processes, so that always one is left.
const WEB_KILLS: usize = 2;

#[test]
fn whatever_is_killed_nothing_is_lost_and_nothing_doubled() {
    let seed = number("NOON_KILLER_SEED").unwrap_or(11);
    let kills = number("NOON_KILLER_KILLS").unwrap_or(60);
    println!("NOON_KILLER_SEED={seed} NOON_KILLER_KILLS={kills}");
    let _alone = alone();
    let began = Instant::now();
    let house = house();
    let repo = app(&house, (4, 2));
    let app = repo.noon(&["info", "--json"]).ok().json();
    let app = app["id"].as_str().unwrap().parse().unwrap();
    let mut model = Model::new("word-1", (4, 2));
    settle(&house, &repo, &mut model);
    let reading = Reading::start(house.data().join("logs"), app);
    let load = Load::start(house.http, APP);
    let (kills, verbs) = rampage(&house, &repo, &mut model, (seed, kills));
    let outcome = load.stop();
    hear_last(&house, app);
    let story = Story {
        kills,
        verbs,
        outcome,
        lines: reading.stop(),
    };
    println!("{}in {:?}", story.table(), began.elapsed());
    let wrongs = story.wrongs();
    assert!(
        wrongs.is_empty(),
        "seed {seed}:\n{}\n{}",
        wrongs.join("\n"),
        house.log()
    );
    drop(repo);
    house.tear_down();
    println!("left over: nothing");
}

/// Held by a test for as long as it runs: a house under load wants the machine to itself.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn house() -> House {
    let house = House::of(env!("CARGO_BIN_EXE_noon"));
    let house = match std::env::var("NOON_TEST_USER") {
        Ok(name) => house.user(TestUser::existing(&name).expect("the user of NOON_TEST_USER")),
        Err(_) => house,
    };
    house.start()
}

fn app(house: &House, (web, worker): Formation) -> Repo<'_> {
    let repo = house.repo(APP);
    let _ = repo.noon(&["create", APP]).ok();
    repo.write("Procfile", "web: ./app\nworker: ./work\n")
        .write("app", include_str!("app.py"))
        .write("work", include_str!("work.sh"))
        .write("word", "word-1")
        .commit("One");
    let _ = repo.push().ok();
    let (web, worker) = (format!("web={web}"), format!("worker={worker}"));
    let _ = repo.noon(&["ps", "scale", &web, &worker]).ok();
    repo
}

/// Kills so many by chance, with verbs among them, and settles now and then.
fn rampage(
    house: &House,
    repo: &Repo<'_>,
    model: &mut Model,
    (seed, wanted): (u64, u64),
) -> (Vec<Kill>, Vec<Done>) {
    let mut chance = Chance::new(seed);
    let (mut kills, mut verbs) = (Vec::new(), Vec::new());
    while (kills.len() as u64) < wanted {
        let burst = 1 + chance.below(BURST);
        let mut web_kills = 0;
        for _ in 0..burst {
            let verb = model.choose(&mut chance);
            let mut running = model.begin(verb, house, repo);
            std::thread::sleep(Duration::from_millis(chance.below(700)));
            let kill = victims::kill_one(house, &mut chance, web_kills < WEB_KILLS);
            web_kills += usize::from(kill.as_ref().is_some_and(Kill::is_of_web));
            kills.extend(kill);
            if chance.below(2) == 0 && !running.is_over() {
                std::thread::sleep(Duration::from_millis(chance.below(150)));
                kills.extend(victims::kill_one(house, &mut chance, false));
            }
            let done = running.wait();
            model.note(&done);
            verbs.push(done);
        }
        settle(house, repo, model);
    }
    (kills, verbs)
}

/// Waits until the log has all that was written so far.
fn hear_last(house: &House, app: noon_domain::AppId) {
    let answer = eventually("a last request is answered", || {
        let answer = house.get(APP, "/last");
        (answer.status == 200).then_some(answer)
    });
    drop(answer);
    let reader = noon_logs::Reader::open(&house.data().join("logs"), app).unwrap();
    eventually("the last line is there", || {
        let lines = reader.history(&noon_logs::Filter::default(), 200).unwrap();
        lines
            .iter()
            .any(|line| line.text == b"request last .")
            .then_some(())
    });
}
