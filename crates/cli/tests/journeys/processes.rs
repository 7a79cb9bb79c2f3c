//! Scale, restart, stop, crash.

use noon_testkit::{Repo, eventually};

use super::{answers, house, pushed};

fn dynos(repo: &Repo<'_>) -> Vec<(String, String)> {
    let json = repo.noon(&["ps", "--json"]).ok().json();
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let one = |d: &serde_json::Value| (text(&d["name"]), text(&d["state"]));
    let mut dynos: Vec<_> = json.as_array().expect("a list").iter().map(one).collect();
    dynos.sort();
    dynos
}

fn up(names: &[&str]) -> Vec<(String, String)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), "up".to_owned()))
        .collect()
}

fn becomes(repo: &Repo<'_>, names: &[&str]) {
    eventually(&format!("{names:?} are up"), || {
        (dynos(repo) == up(names)).then_some(())
    });
}

#[test]
fn an_app_is_scaled_up_down_and_to_nothing_without_a_release() {
    let house = house().start();
    let repo = pushed(&house, "scale");
    let _ = repo.noon(&["ps", "scale", "web=3", "worker=2"]).ok();
    assert_eq!(
        dynos(&repo),
        up(&["web.1", "web.2", "web.3", "worker.1", "worker.2"])
    );
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        seen.insert(house.get("scale", "/env/DYNO").body);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["web.1", "web.2", "web.3"]
    );
    let _ = repo.noon(&["ps:scale", "web-2", "worker=0"]).ok();
    becomes(&repo, &["web.1"]);
    let _ = repo.noon(&["ps", "scale", "web=0"]).ok();
    becomes(&repo, &[]);
    let answer = house.get("scale", "/");
    assert_eq!(answer.status, 503);
    let _ = repo.noon(&["logs", "-n", "20"]).ok().says("code=H14");
    let _ = repo.noon(&["ps", "scale", "web=1"]).ok();
    answers(&house, "scale", "one\n");
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(releases.as_array().map(Vec::len), Some(2));
    house.tear_down();
}

#[test]
fn quantities_outlive_a_deploy() {
    let house = house().start();
    let repo = pushed(&house, "keeps");
    let _ = repo.noon(&["ps", "scale", "web=2", "worker=1"]).ok();
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    becomes(&repo, &["web.1", "web.2", "worker.1"]);
    house.tear_down();
}

#[test]
fn what_a_process_writes_is_its_own_and_gone_at_its_restart() {
    let house = house().start();
    let repo = pushed(&house, "fleeting");
    assert_eq!(house.get("fleeting", "/write/a").body, "a");
    assert_eq!(house.get("fleeting", "/write/b").body, "ab");
    let _ = repo.noon(&["ps", "restart"]).ok();
    eventually("a fresh process answers", || {
        (house.get("fleeting", "/write/c").body == "c").then_some(())
    });
    house.tear_down();
}

#[test]
fn a_process_that_dies_is_started_again_and_its_end_is_told() {
    let house = house().start();
    let repo = pushed(&house, "mortal");
    assert_eq!(house.get("mortal", "/die").status, 503);
    answers(&house, "mortal", "one\n");
    let _ = repo
        .noon(&["logs", "-n", "100"])
        .ok()
        .says("heroku[web.1]: Process exited with status 3")
        .says("State changed from up to crashed")
        .says("at=error code=H");
    house.tear_down();
}

#[test]
fn stop_ends_a_process_and_convergence_brings_it_back() {
    let house = house().start();
    let repo = pushed(&house, "stops");
    let _ = repo.noon(&["ps", "stop", "web.1"]).ok();
    answers(&house, "stops", "one\n");
    let _ = repo.noon(&["ps", "stop", "web.9"]).fails(4);
    house.tear_down();
}

#[test]
fn apps_do_not_reach_each_other_nor_the_platform() {
    let house = house().start();
    let _repo = pushed(&house, "inside");
    let reach = |port: u16| {
        house
            .get("inside", &format!("/reach/127.0.0.1/{port}"))
            .body
    };
    assert_eq!(reach(5000), "reached", "its own port");
    assert!(
        reach(house.api).starts_with("refused"),
        "the API is reached"
    );
    assert!(
        reach(house.http).starts_with("refused"),
        "the router is reached by loopback"
    );
    house.tear_down();
}

#[test]
fn boot_and_stop_times_are_kept_per_release_and_outlive_control() {
    let house = house().start();
    let repo = pushed(&house, "timed");
    let _ = repo.noon(&["ps", "scale", "worker=1"]).ok();
    let _ = repo.noon(&["ps", "restart", "worker"]).ok();
    let times = |version: &str| {
        repo.noon(&["releases", "info", version, "--json"])
            .ok()
            .json()
    };
    let count = |times: &serde_json::Value, kind: &str, what: &str| {
        let all = times["times"].as_array().expect("a list");
        let of_kind = all.iter().find(|t| t["type"] == kind);
        of_kind.and_then(|t| t[what]["count"].as_u64()).unwrap_or(0)
    };
    eventually(
        "one boot of web, two of worker and one stop are kept",
        || {
            let times = times("v2");
            let counts = (
                count(&times, "web", "boots"),
                count(&times, "worker", "boots"),
                count(&times, "worker", "stops"),
            );
            (counts == (1, 2, 1)).then_some(())
        },
    );
    let _ = repo
        .noon(&["releases", "info", "v2"])
        .ok()
        .says("web booted:")
        .says("1 time: median ");
    let known = || {
        let json = repo.noon(&["ps", "--json"]).ok().json();
        let all = json.as_array().expect("a list").clone();
        let of = |name: &str| all.iter().find(|p| p["name"] == name).cloned();
        let (web, worker) = (of("web.1")?, of("worker.1")?);
        let known = web["boot_ms"].is_u64() && worker["boot_ms"].is_u64();
        (known && worker["last_stop_ms"].is_u64()).then(|| web["boot_ms"].clone())
    };
    let before = eventually("ps knows them", known);
    let _ = repo
        .noon(&["ps"])
        .ok()
        .says("booted in ")
        .says("last stop took ");
    house.kill_role("control");
    let answers = || (repo.noon(&["ps"]).code == 0).then_some(());
    let after = eventually("the next control knows them", || {
        answers().and_then(|()| known())
    });
    assert_eq!(before, after);
    house.tear_down();
}

/// How many processes of a type are in a state.
fn count(repo: &Repo<'_>, kind: &str, state: &str) -> usize {
    let of_kind =
        |(name, is): &&(String, String)| name.starts_with(&format!("{kind}.")) && is == state;
    dynos(repo).iter().filter(of_kind).count()
}

#[test]
fn one_command_makes_two_hundred_of_one_and_one_of_two_hundred() {
    let house = house().start();
    let repo = pushed(&house, "many");
    repo.write("Procfile", "web: ./server\nidle: sleep 1000000\n")
        .commit("Idle");
    let _ = repo.push().ok();
    let _ = repo.noon(&["ps", "scale", "idle=1"]).ok();
    let shims = || {
        std::fs::read_dir(house.data().join("shims"))
            .unwrap()
            .count()
    };
    let before = shims();
    let _ = repo.noon(&["ps", "scale", "idle=200"]).ok();
    assert_eq!(count(&repo, "idle", "up"), 200);
    assert!(shims() >= before + 199);
    assert_eq!(house.get("many", "/").body, "one\n");
    let times = repo.noon(&["releases", "info", "--json"]).ok().json();
    let _ = repo.noon(&["ps", "scale", "idle=1"]).ok();
    eventually("one is left, and nothing of the others", || {
        let one = dynos(&repo) == up(&["idle.1", "web.1"]);
        (one && shims() == before).then_some(())
    });
    assert_eq!(house.get("many", "/").body, "one\n");
    let idle = times["times"]
        .as_array()
        .and_then(|all| all.iter().find(|t| t["type"] == "idle"));
    assert!(
        idle.is_some_and(|idle| idle["boots"]["count"].as_u64() > Some(100)),
        "{times}"
    );
    house.tear_down();
}

#[test]
fn what_there_is_no_room_for_is_refused_before_anything_starts() {
    let house = house().start();
    let repo = pushed(&house, "narrow");
    repo.write("Procfile", "web: ./server\nidle: sleep 1000000\n")
        .commit("Idle");
    let _ = repo.push().ok();
    becomes(&repo, &["web.1"]);
    let _ = repo
        .noon(&["ps", "scale", "idle=100000"])
        .fails(1)
        .says("from 0 to 500");
    let control = house.role_pid("control").expect("control runs").to_string();
    let narrow = ["--pid", &control, "--nofile=300:"];
    let _ = repo.run("prlimit", &narrow).ok();
    let ran = repo.noon(&["ps", "scale", "idle=200"]);
    assert_ne!(ran.code, 0);
    let _ = ran
        .says("200 more processes need 1600 open files of control")
        .says("are short");
    assert_eq!(dynos(&repo), up(&["web.1"]));
    let log = repo.noon(&["logs", "-n", "200"]).ok().stdout;
    assert!(!log.contains("idle.1]"), "{log}");
    let _ = repo.noon(&["ps", "scale", "idle=2"]).ok();
    becomes(&repo, &["idle.1", "idle.2", "web.1"]);
    house.tear_down();
}
