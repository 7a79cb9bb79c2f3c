//! Bad input: one sentence, its exit code, and nothing changed.

use super::{answers, house, pushed, written};

#[test]
fn bad_names_keys_and_quantities_change_nothing() {
    let house = house().start();
    let repo = pushed(&house, "refuses");
    let long = format!("BIG={}", "x".repeat(70_000));
    for (arguments, code, says) in [
        (&["create", "Bad_Name"][..], 1, "is no app name"),
        (&["create", "refuses"], 1, "taken"),
        (&["info", "--app", "nobody"], 4, "there is no app nobody"),
        (&["config", "set", "A-B=1"], 2, "is no config var name"),
        (&["config", "set", "NOON_X=1"], 2, "reserved"),
        (&["config", "set", "PORT=1"], 2, "reserved"),
        (&["config", "set", &long], 1, "65536"),
        (
            &["ps", "scale", "clock=1"],
            1,
            "there is no process type clock",
        ),
        (&["ps", "scale", "web=-1"], 2, "how many"),
        (&["ps", "scale", "web=100000"], 1, "is no quantity"),
        (&["rollback", "v1"], 1, "has no code"),
        (&["rollback", "v99"], 4, "v99"),
        (&["domains", "add", "bad_-.-"], 1, "is no host name"),
        (
            &["domains", "remove", "www.example.com"],
            4,
            "www.example.com",
        ),
        (&["builds", "info", "nothing"], 4, "no build"),
    ] {
        let _ = repo.noon(arguments).fails(code).says(says);
    }
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(
        releases.as_array().map(Vec::len),
        Some(2),
        "something was released"
    );
    assert_eq!(
        repo.noon(&["config", "--json"]).ok().json(),
        serde_json::json!({})
    );
    answers(&house, "refuses", "one\n");
    house.tear_down();
}

#[test]
fn a_wrong_token_is_refused_by_the_api_and_by_git() {
    let house = house().start();
    let repo = written(&house, "locked");
    let server = format!("http://127.0.0.1:{}", house.api);
    let _ = house
        .noon(&["login", "--server", &server, "--token", "wrong"])
        .fails(3);
    let remote = format!("http://noon:wrong@127.0.0.1:{}/locked.git", house.api);
    let none = ["-c", "credential.helper=", "push", &remote, "main"];
    let pushed = repo.git(&none);
    assert_ne!(pushed.code, 0, "{pushed}");
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(releases.as_array().map(Vec::len), Some(1));
    house.tear_down();
}

#[test]
fn a_tree_that_cannot_be_built_is_refused_with_what_to_do() {
    let house = house().start();
    for (name, files, says) in [
        ("nothing", &[("README", "hello\n")][..], "Procfile"),
        ("badline", &[("Procfile", "web: ./x\nnonsense\n")], "line 2"),
        (
            "unlocked",
            &[(
                "package.json",
                "{\"dependencies\":{\"a\":\"1\"},\"scripts\":{\"start\":\"node x\"}}",
            )],
            "package-lock",
        ),
        (
            "unpinned",
            &[
                (
                    "pyproject.toml",
                    "[project]\nname='x'\nversion='1'\ndependencies=['a']\n",
                ),
                ("Procfile", "web: x\n"),
            ],
            "uv lock",
        ),
    ] {
        let repo = house.repo(name);
        let _ = repo.noon(&["create", name]).ok();
        for (path, text) in files {
            repo.write(path, text);
        }
        repo.commit("Try");
        let _ = repo.push().fails(1).says(says);
        assert_eq!(
            repo.git(&["ls-remote", "noon"]).ok().stdout,
            "",
            "{name} left a ref"
        );
        let releases = repo.noon(&["releases", "--json"]).ok().json();
        assert_eq!(
            releases.as_array().map(Vec::len),
            Some(1),
            "{name} was released"
        );
    }
    house.tear_down();
}

#[test]
fn a_release_whose_slug_is_gone_is_not_rolled_back_to() {
    let house = house().start();
    let repo = pushed(&house, "forgotten");
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    // As the collector of old slugs leaves it, fifty releases later.
    let script = "import sqlite3,sys\n\
        db=sqlite3.connect(sys.argv[1], timeout=10)\n\
        db.execute('update slugs set gone=1 where id=(select slug_id from releases where version=2)')\n\
        db.commit()\n";
    let database = house.data().join("noon.db").display().to_string();
    let _ = house
        .run_in(house.home(), "/usr/bin/python3", &["-c", script, &database])
        .ok();
    let _ = repo
        .noon(&["rollback", "v2"])
        .fails(1)
        .says("no longer kept");
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(
        releases.as_array().map(Vec::len),
        Some(3),
        "something was released"
    );
    answers(&house, "forgotten", "two\n");
    house.tear_down();
}
