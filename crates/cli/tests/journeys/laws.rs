//! The laws, each broken by force.

use noon_testkit::eventually;

use super::{answers, house, pushed};

#[test]
fn traffic_processes_and_logs_go_on_when_control_is_killed() {
    let house = house().start();
    let repo = pushed(&house, "goes-on");
    let _ = repo.noon(&["ps", "scale", "web=2", "worker=1"]).ok();
    let before = pids(&repo);
    for role in ["control", "logs", "router", "control"] {
        house.kill_role(role);
        answers(&house, "goes-on", "one\n");
    }
    eventually("control answers again", || {
        (house.noon(&["whoami"]).code == 0).then_some(())
    });
    assert_eq!(
        pids(&repo),
        before,
        "processes were started again, or twice"
    );
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    assert_eq!(house.get("goes-on", "/").body, "two\n");
    house.tear_down();
}

/// Which runs there are, by their dynos' ids.
fn pids(repo: &noon_testkit::Repo<'_>) -> Vec<String> {
    let json = repo.noon(&["ps", "--json"]).ok().json();
    let id = |dyno: &serde_json::Value| format!("{} {}", dyno["name"], dyno["id"]);
    let mut ids: Vec<_> = json.as_array().expect("a list").iter().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn a_server_that_is_killed_takes_up_what_runs_when_it_is_back() {
    let mut house = house().start();
    let before = pids(&pushed(&house, "adopted"));
    house.kill_server();
    house.start_server();
    answers(&house, "adopted", "one\n");
    let after = house
        .noon(&["ps", "--json", "--app", "adopted"])
        .ok()
        .json();
    assert_eq!(after.as_array().map(Vec::len), Some(before.len()));
    assert!(
        before[0].contains(after[0]["id"].as_str().unwrap()),
        "another process answers"
    );
    house.tear_down();
}

#[test]
fn apps_run_on_only_if_the_server_is_told_so() {
    let mut house = house().start();
    drop(pushed(&house, "stopped"));
    assert_eq!(house.stop_server(), Some(0));
    let left = noon_testkit::leftovers(house.home());
    assert!(left.is_empty(), "a process outlived its stop: {left:?}");
    house.start_server();
    answers(&house, "stopped", "one\n");
    house.tear_down();
}

#[test]
fn what_was_left_pending_by_a_killed_control_has_failed_and_the_old_serves() {
    let house = house().start();
    let repo = pushed(&house, "pending");
    repo.write("Procfile", "web: ./server\nrelease: sleep 600\n")
        .commit("Slow");
    let mut push = house.command("git".as_ref(), &["push", "noon", "main"]);
    let mut push = push.current_dir(repo.dir()).spawn().unwrap();
    eventually("the release phase runs", || {
        let logs = repo.noon(&["logs"]).ok();
        logs.stdout
            .contains("Starting process with command `sleep 600`")
            .then_some(())
    });
    house.kill_role("control");
    assert!(
        !push.wait().unwrap().success(),
        "the push went well without its control"
    );
    eventually("the release has failed", || {
        let ran = repo.noon(&["releases", "--json"]);
        let newest = (ran.code == 0).then(|| ran.json()[0].clone())?;
        (newest["version"] == 3 && newest["status"] == "failed").then_some(())
    });
    answers(&house, "pending", "one\n");
    repo.write("Procfile", "web: ./server\n")
        .write("word", "two\n")
        .commit("Mend");
    let _ = repo.push().ok();
    answers(&house, "pending", "two\n");
    house.tear_down();
}

#[test]
fn running_needs_neither_git_nor_a_builder_nor_control() {
    let house = house().start();
    let repo = pushed(&house, "alone");
    for gone in ["repos", "cache", "builds"] {
        std::fs::remove_dir_all(house.data().join(gone)).unwrap();
    }
    house.kill_role("control");
    answers(&house, "alone", "one\n");
    eventually("control is back", || {
        (house.noon(&["whoami"]).code == 0).then_some(())
    });
    let _ = repo.noon(&["ps", "scale", "web=2"]).ok();
    let _ = repo.noon(&["ps", "restart"]).ok();
    answers(&house, "alone", "one\n");
    house.tear_down();
}
