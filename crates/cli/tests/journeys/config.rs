//! Config vars: one change is one release, and a secret stays one.

use super::{answers, house, pushed};

fn get(house: &noon_testkit::House, app: &str, name: &str) -> String {
    house.get(app, &format!("/env/{name}")).body
}

#[test]
fn several_vars_at_once_are_one_release_and_every_process_has_them() {
    let house = house().start();
    let repo = pushed(&house, "config");
    let _ = repo
        .noon(&["config", "set", "A=1", "B=two words"])
        .ok()
        .says("v3");
    assert_eq!(
        (
            get(&house, "config", "A").as_str(),
            get(&house, "config", "B").as_str()
        ),
        ("1", "two words")
    );
    let _ = repo.noon(&["config:set", "A=1"]).ok();
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(
        releases.as_array().map(Vec::len),
        Some(3),
        "a change of nothing made a release"
    );
    let _ = repo.noon(&["config", "unset", "A"]).ok().says("v4");
    assert_eq!(get(&house, "config", "A"), "(none)");
    assert_eq!(
        repo.noon(&["config", "get", "B"]).ok().stdout,
        "two words\n"
    );
    let _ = repo.noon(&["releases", "verify"]).ok();
    house.tear_down();
}

#[test]
fn config_goes_out_and_comes_in_as_an_env_file() {
    let house = house().start();
    let repo = pushed(&house, "dotenv");
    repo.write(
        "in.env",
        "# comment\nexport A='single # quoted'\nB=\"two\nlines\"\nC=1 # note\n",
    );
    let _ = repo.noon(&["config", "import", "in.env"]).ok().says("v3");
    assert_eq!(get(&house, "dotenv", "A"), "single # quoted");
    assert_eq!(get(&house, "dotenv", "B"), "two\nlines");
    assert_eq!(get(&house, "dotenv", "C"), "1");
    let exported = repo.noon(&["config", "export"]).ok().stdout;
    repo.write("out.env", &exported);
    let _ = repo.noon(&["config", "import", "out.env"]).ok();
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(
        releases.as_array().map(Vec::len),
        Some(3),
        "its own export changed something"
    );
    house.tear_down();
}

#[test]
fn a_config_that_breaks_the_boot_never_becomes_current() {
    let house = house().start();
    let repo = pushed(&house, "brittle");
    repo.write("Procfile", "web: test -z \"$BREAK\" && ./server\n")
        .commit("Brittle");
    let _ = repo.push().ok();
    let _ = repo
        .noon(&["config", "set", "BREAK=1"])
        .fails(6)
        .says("did not boot");
    answers(&house, "brittle", "one\n");
    assert_eq!(
        repo.noon(&["config", "--json"]).ok().json(),
        serde_json::json!({})
    );
    house.tear_down();
}

#[test]
fn a_secret_is_in_no_log_argument_file_or_other_app() {
    const SECRET: &str = "hunter2-b7f3a9-correct-horse";
    let house = house().start();
    let repo = pushed(&house, "secret");
    let other = pushed(&house, "other");
    repo.write("value", SECRET);
    let _ = repo.noon(&["config", "set", "PASSWORD=@value"]).ok();
    assert_eq!(get(&house, "secret", "PASSWORD"), SECRET);
    std::fs::remove_file(repo.dir().join("value")).unwrap();
    let _ = repo.noon(&["ps", "scale", "worker=1"]).ok();

    let found = other.noon(&[
        "run",
        "cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'",
    ]);
    assert!(!found.stdout.contains(SECRET), "another app sees it");
    assert!(!house.log().contains(SECRET), "noon's own log holds it");
    let logs = repo.noon(&["logs", "-n", "1000"]).ok();
    assert!(!logs.stdout.contains(SECRET), "the app's log holds it");
    let found = house.run_in(&house.data(), "grep", &["-rlaF", SECRET, "."]);
    assert_eq!(found.stdout, "", "files of the platform hold it");
    let cmdlines = house.run_in(
        house.home(),
        "sh",
        &["-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'"],
    );
    assert!(!cmdlines.stdout.contains(SECRET), "an argument holds it");
    house.tear_down();
}
