//! The same journeys as an ordinary user.

use noon_testkit::{TestUser, eventually};

use super::{answers, house, pushed};

#[test]
fn an_ordinary_user_pushes_scales_configures_and_rolls_back() {
    let Some(user) = TestUser::make("noontest") else {
        return;
    };
    let house = house().user(user).start();
    let repo = pushed(&house, "ordinary");
    let _ = repo.noon(&["ps", "scale", "web=2", "worker=1"]).ok();
    let _ = repo.noon(&["config", "set", "A=1"]).ok();
    assert_eq!(house.get("ordinary", "/env/A").body, "1");
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    assert_eq!(house.get("ordinary", "/").body, "two\n");
    let _ = repo.noon(&["rollback", "v2"]).ok();
    assert_eq!(house.get("ordinary", "/").body, "one\n");
    let _ = repo.noon(&["run", "exit 5"]).fails(5);
    let seen = repo.noon(&[
        "run",
        "ls /root /home 2>&1; id -u; ls /proc | grep -c '^[0-9]'",
    ]);
    assert!(!seen.stdout.contains(".ssh"), "{seen}");
    assert!(
        house
            .get("ordinary", &format!("/reach/127.0.0.1/{}", house.api))
            .body
            .starts_with("refused")
    );
    for role in ["control", "logs", "router"] {
        house.kill_role(role);
        answers(&house, "ordinary", "one\n");
    }
    let _ = repo
        .noon(&["logs", "-n", "500"])
        .ok()
        .says("app[web.1]: listening");
    house.tear_down();
}

#[test]
fn the_next_server_of_an_ordinary_user_takes_up_what_runs() {
    let Some(user) = TestUser::make("noonresume") else {
        return;
    };
    let uid = user.uid;
    let mut house = house().user(user).start();
    drop(pushed(&house, "resumed"));
    let boot = house.get("resumed", "/boot").body;
    let before = ways_out(uid);
    house.kill_server();
    house.start_server();
    answers(&house, "resumed", "one\n");
    assert_eq!(
        house.get("resumed", "/boot").body,
        boot,
        "another process answers"
    );
    eventually("it has a way out as before", || {
        (ways_out(uid) == before).then_some(())
    });
    let _ = house
        .noon(&["ps", "scale", "web=2", "--app", "resumed"])
        .ok();
    eventually("the next has one too", || {
        (ways_out(uid) == before * 2).then_some(())
    });
    house.tear_down();
}

/// In how many of a user's sandboxes there is a way to the world outside.
fn ways_out(uid: u32) -> usize {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let leads_out = |path: &std::path::Path| {
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let routes = std::fs::read_to_string(path.join("net/route")).ok()?;
        let is_ours = name == "noon-init\n" && status.contains(&format!("\nUid:\t{uid}\t"));
        let default = |line: &str| line.split_whitespace().nth(1) == Some("00000000");
        (is_ours && routes.lines().any(default)).then_some(())
    };
    entries
        .filter(|entry| leads_out(&entry.path()).is_some())
        .count()
}
