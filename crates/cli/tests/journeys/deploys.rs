//! Pushes, releases and rollback.

use super::{answers, house, pushed, written};

fn releases(repo: &noon_testkit::Repo<'_>) -> Vec<(u64, String, bool)> {
    let json = repo.noon(&["releases", "--json"]).ok().json();
    let one = |r: &serde_json::Value| {
        let text = |key: &str| r[key].as_str().unwrap_or_default().to_owned();
        (
            r["version"].as_u64().unwrap_or(0),
            text("status"),
            r["current"] == true,
        )
    };
    json.as_array().expect("a list").iter().map(one).collect()
}

#[test]
fn a_push_is_built_released_and_served_while_the_pusher_looks_on() {
    let house = house().start();
    let repo = written(&house, "journey");
    assert_eq!(house.get("journey", "/").status, 503, "a blank app answers");
    let _ = repo
        .push()
        .ok()
        .says("remote: -----> Building on the")
        .says("Procfile declares types -> web, worker")
        .says("Released v2")
        .says(&format!("http://journey.localhost:{}/", house.http));
    answers(&house, "journey", "one\n");
    let quantities = repo.noon(&["ps", "scale"]).ok();
    let _ = quantities.says("web     1").says("worker  0");

    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok().says("Released v3");
    assert_eq!(house.get("journey", "/").body, "two\n");
    let head = repo.git(&["rev-parse", "--short=8", "HEAD"]).ok().stdout;
    let _ = repo
        .noon(&["releases"])
        .ok()
        .says(&format!("Deploy {}", head.trim()));
    let _ = repo.noon(&["releases", "verify"]).ok();
    let builds = repo.noon(&["builds", "--json"]).ok().json();
    assert_eq!(builds.as_array().map(Vec::len), Some(2));
    house.tear_down();
}

#[test]
fn rollback_restores_code_and_config_as_a_new_release_without_a_build() {
    let house = house().start();
    let repo = pushed(&house, "back");
    let _ = repo.noon(&["config", "set", "COLOUR=red"]).ok();
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    let _ = repo.noon(&["config", "set", "COLOUR=blue"]).ok();
    assert_eq!(house.get("back", "/env/COLOUR").body, "blue");

    let _ = repo.noon(&["rollback", "v3"]).ok().says("v6");
    assert_eq!(house.get("back", "/").body, "one\n");
    assert_eq!(house.get("back", "/env/COLOUR").body, "red");
    let _ = repo
        .noon(&["releases", "info", "v6"])
        .ok()
        .says("Rollback to v3");
    let builds = repo.noon(&["builds", "--json"]).ok().json();
    assert_eq!(builds.as_array().map(Vec::len), Some(2), "a rollback built");
    assert_eq!(releases(&repo)[0], (6, "succeeded".to_owned(), true));
    house.tear_down();
}

#[test]
fn a_release_phase_runs_before_the_boot_and_stops_what_it_fails() {
    let house = house().start();
    let repo = pushed(&house, "phase");
    repo.write("Procfile", "web: ./server\nrelease: ./migrate\n")
        .write(
            "migrate",
            "#!/bin/sh\necho migrating for $NOON_RELEASE_VERSION; exit ${CODE:-0}\n",
        )
        .write("word", "two\n")
        .commit("Phase");
    let _ = repo.push().ok().says("migrating for v3");
    assert_eq!(house.get("phase", "/").body, "two\n");
    let _ = repo
        .noon(&["releases", "output", "v3"])
        .ok()
        .says("migrating for v3");

    let _ = repo
        .noon(&["config", "set", "CODE=7"])
        .fails(6)
        .says("exited with status 7");
    assert_eq!(house.get("phase", "/").body, "two\n");
    repo.write("migrate", "#!/bin/sh\nexit 9\n")
        .write("word", "three\n")
        .commit("Broken");
    let _ = repo
        .push()
        .fails(1)
        .says("exited with status 9")
        .says("pre-receive hook declined");
    answers(&house, "phase", "two\n");
    let current: Vec<_> = releases(&repo)
        .into_iter()
        .filter(|r| r.2)
        .map(|r| r.0)
        .collect();
    assert_eq!(current, [3]);
    let _ = repo
        .noon(&["logs", "-n", "200"])
        .ok()
        .says("app[release.3]: migrating for v3");
    house.tear_down();
}

#[test]
fn a_build_or_a_boot_that_fails_leaves_what_serves_and_its_ref_untouched() {
    let house = house().env("NOON_BOOT_TIMEOUT", "2").start();
    let repo = pushed(&house, "steady");
    let before = repo.git(&["ls-remote", "noon"]).ok().stdout;
    for (procfile, says) in [
        ("web ./server\n", "line 1"),
        ("web: ./missing\n", "missing"),
        ("web: exit 4\n", "exited with status 4"),
        ("web: sleep 600\n", "did not listen on $PORT"),
    ] {
        repo.write("Procfile", procfile).commit("Break");
        let _ = repo.push().fails(1).says(says).says("[remote rejected]");
        assert_eq!(house.get("steady", "/").body, "one\n", "{procfile}");
        assert_eq!(
            repo.git(&["ls-remote", "noon"]).ok().stdout,
            before,
            "{procfile}"
        );
    }
    assert!(
        releases(&repo).iter().all(|r| r.2 == (r.0 == 2)),
        "{:?}",
        releases(&repo)
    );
    repo.write("Procfile", "web: ./server\n")
        .write("word", "two\n")
        .commit("Mend");
    let _ = repo.push().ok();
    assert_eq!(house.get("steady", "/").body, "two\n");
    house.tear_down();
}

#[test]
fn another_branch_is_stored_and_said_not_to_deploy() {
    let house = house().start();
    let repo = pushed(&house, "branches");
    let _ = repo.git(&["checkout", "--quiet", "-b", "idea"]).ok();
    repo.write("word", "idea\n").commit("Idea");
    let _ = repo
        .git(&["push", "noon", "idea"])
        .ok()
        .says("not deployed");
    assert_eq!(house.get("branches", "/").body, "one\n");
    let _ = repo
        .git(&["push", "noon", "idea:main"])
        .ok()
        .says("Released v3");
    assert_eq!(house.get("branches", "/").body, "idea\n");
    house.tear_down();
}

#[test]
fn a_python_app_with_a_release_phase_and_a_node_app_are_built_from_their_locks() {
    if std::env::var_os("NOON_TEST_OFFLINE").is_some() {
        eprintln!("skipped: no registries");
        return;
    }
    let house = house().start();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for (example, builder) in [("python-web", "Python"), ("node-web", "Node.js")] {
        let repo = house.repo(example);
        let _ = repo.noon(&["create", example]).ok();
        repo.copy(&examples.join(example)).commit("Start");
        let _ = repo
            .push()
            .ok()
            .says(&format!("Using builder: {builder}"))
            .says("Released v2");
        let answer = house.get(example, "/");
        assert_eq!(answer.status, 200, "{}", answer.body);
        repo.write("notes.txt", "a line\n").commit("A line");
        let _ = repo.push().ok().says("unchanged");
    }
    house.tear_down();
}
