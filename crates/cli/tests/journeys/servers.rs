//! The server itself: its lock, its addresses, its help.

use std::net::TcpListener;

use super::{answers, house, pushed};

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let house = house().start();
    let second = house.noon(&["server"]);
    let _ = second
        .fails(1)
        .says("another noon server runs on")
        .says("NOON_DATA_DIR");
    house.tear_down();
}

#[test]
fn an_address_that_is_taken_is_named_with_its_variable() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for variable in ["NOON_HTTP_ADDR", "NOON_API_ADDR"] {
        let house = house().env(variable, address.clone()).prepare();
        let _ = house
            .noon(&["server"])
            .fails(1)
            .says(&address)
            .says("is taken")
            .says(variable);
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    for (variable, value) in [
        ("NOON_HTTP_ADDR", "nowhere"),
        ("NOON_DOMAIN", "-bad-"),
        ("NOON_EGRESS", "maybe"),
        ("NOON_HOST_NETWORK", "perhaps"),
        ("NOON_BOOT_TIMEOUT", "soon"),
        ("NOON_MASTER_KEY", "short"),
        ("NOON_DATABASE_URL", "mysql://x"),
        ("NOON_DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"),
    ] {
        let house = house().env(variable, value).prepare();
        let ran = house.noon(&["server"]).fails(1);
        let is_named = ran.stderr.contains(variable) || ran.stderr.contains("database");
        assert!(is_named, "{variable}={value}: {ran}");
    }
}

#[test]
fn the_help_lists_every_setting_and_every_command_teaches() {
    let house = house().prepare();
    let help = house.noon(&["server", "--help"]).ok();
    for variable in [
        "NOON_DATA_DIR",
        "NOON_HTTP_ADDR",
        "NOON_DATABASE_URL",
        "NOON_MASTER_KEY",
    ] {
        assert!(help.stdout.contains(variable), "{variable}: {help}");
    }
    let _ = house
        .noon(&["version"])
        .ok()
        .says(env!("CARGO_PKG_VERSION"));
    let _ = house.noon(&["completions", "bash"]).ok().says("noon");
}

#[test]
fn the_master_key_is_the_owners_alone_and_another_key_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mut house = house().start();
    drop(pushed(&house, "keyed"));
    let key = house.data().join("master.key");
    assert_eq!(
        std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    house.stop_server();
    let right = std::fs::read(&key).unwrap();
    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    let _ = house.noon(&["server"]).fails(1).says("master key");
    std::fs::write(&key, right).unwrap();
    house.start_server();
    answers(&house, "keyed", "one\n");
    house.tear_down();
}

#[test]
fn detached_apps_run_on_without_a_server_and_are_taken_up_by_the_next() {
    let mut house = house().start();
    let ids = |house: &noon_testkit::House| {
        let json = house
            .noon(&["ps", "--json", "--app", "detached"])
            .ok()
            .json();
        json[0]["id"].as_str().expect("an id").to_owned()
    };
    drop(pushed(&house, "detached"));
    let before = ids(&house);
    house.stop_server();
    house.start_server_with(&["--detach-apps"]);
    answers(&house, "detached", "one\n");
    let running = ids(&house);
    assert_ne!(before, running, "the first stop left it running");
    assert_eq!(house.stop_server(), Some(0));
    let left = noon_testkit::leftovers(house.home());
    assert!(
        left.iter().any(|line| line.starts_with("shim")),
        "nothing runs on: {left:?}"
    );
    house.start_server();
    answers(&house, "detached", "one\n");
    assert_eq!(ids(&house), running, "another process answers");
    house.tear_down();
}

#[test]
fn a_newer_noon_takes_up_what_the_older_left_and_goes_on_with_it() {
    let mut house = house().prepare();
    house.start_server_with(&["--detach-apps"]);
    house.log_in();
    let processes = |house: &noon_testkit::House| {
        let json = house
            .noon(&["ps", "--json", "--app", "upgraded"])
            .ok()
            .json();
        let one = |dyno: &serde_json::Value| format!("{} {}", dyno["name"], dyno["id"]);
        let mut all: Vec<_> = json.as_array().expect("a list").iter().map(one).collect();
        all.sort();
        all
    };
    let repo = pushed(&house, "upgraded");
    let _ = repo.noon(&["ps", "scale", "web=2", "worker=1"]).ok();
    let src = repo.dir().to_owned();
    drop(repo);
    let before = processes(&house);
    assert_eq!(house.stop_server(), Some(0));
    house.upgrade();
    house.start_server();
    answers(&house, "upgraded", "one\n");
    assert_eq!(
        processes(&house),
        before,
        "they were started again, or twice"
    );
    // What the older started is stopped by the newer, and new ones stand beside it meanwhile.
    let _ = house.noon_in(&src, &["config", "set", "A=1"]).ok();
    assert_eq!(house.get("upgraded", "/env/A").body, "1");
    let _ = house
        .noon_in(&src, &["ps", "scale", "web=3", "worker=0"])
        .ok();
    noon_testkit::eventually("what the older started is gone", || {
        let after = processes(&house);
        before.iter().all(|old| !after.contains(old)).then_some(())
    });
    house.tear_down();
}

#[test]
fn a_full_disk_fails_the_build_with_one_sentence_and_leaves_what_serves() {
    let mut house = house().prepare();
    if !house.put_data_on_a_disk_of("96m") {
        eprintln!("skipped: only root can mount a small disk");
        return;
    }
    house.start_and_log_in();
    let repo = pushed(&house, "full");
    repo.write("package.json", "{\"name\":\"x\",\"scripts\":{\"build\":\"head -c 200000000 /dev/urandom > big\",\"start\":\"./server\"}}")
        .write("word", "two\n")
        .commit("Too much");
    let _ = repo.push().fails(1).says("disk");
    answers(&house, "full", "one\n");
    std::fs::remove_file(repo.dir().join("package.json")).expect("a file");
    repo.commit("Less");
    // What the failed build wrote is swept in the background.
    noon_testkit::eventually("there is room again", || {
        (repo.push().code == 0).then_some(())
    });
    answers(&house, "full", "two\n");
    house.tear_down();
}

#[test]
fn a_broken_link_of_the_ledger_is_named() {
    let mut house = house().start();
    drop(pushed(&house, "tampered"));
    let _ = house
        .noon(&["config", "set", "A=1", "--app", "tampered"])
        .ok();
    let _ = house
        .noon(&["releases", "verify", "--app", "tampered"])
        .ok();
    house.stop_server();
    let script = "import sqlite3,sys\n\
        db=sqlite3.connect(sys.argv[1])\n\
        for (name,) in list(db.execute(\"select name from sqlite_master where type='trigger'\")):\n\
        \x20   db.execute('drop trigger \"%s\"' % name)\n\
        db.execute(\"update releases set detail='changed' where version=2\")\n\
        db.commit()\n";
    let database = house.data().join("noon.db").display().to_string();
    let _ = house
        .run_in(house.home(), "/usr/bin/python3", &["-c", script, &database])
        .ok();
    house.start_server();
    let ran = house.noon(&["releases", "verify", "--app", "tampered"]);
    assert_ne!(ran.code, 0, "{ran}");
    let _ = ran.says("v2");
    house.tear_down();
}
