//! How large processes may grow, how long they may take, and how they are judged.

use noon_testkit::{House, Repo, eventually};
use serde_json::Value;

use super::load::under_load;
use super::{answers, house, pushed, written};

const GIB: u64 = 1 << 30;

/// The memory limit that a web process sees; nothing where this machine shows none.
fn memory(house: &House, app: &str) -> Option<u64> {
    let seen = house.get(app, "/memory").body;
    if seen == "(none)" {
        eprintln!("not looked at: no cgroup is shown to processes here");
    }
    seen.parse().ok()
}

fn of_kind<'v>(list: &'v Value, kind: &str) -> &'v Value {
    let found = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|v| v["type"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {list}"))
}

fn said(repo: &Repo<'_>, text: &str) -> usize {
    let logs = repo.noon(&["logs", "-n", "1000"]).ok().stdout;
    logs.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn a_resize_under_load_lets_nobody_down_and_is_what_processes_see() {
    let house = house().start();
    let repo = pushed(&house, "grows");
    let seen = memory(&house, "grows");
    assert!(seen.is_none_or(|seen| seen == GIB), "{seen:?}");
    let boot = house.get("grows", "/boot").body;
    let _ = repo.noon(&["ps", "scale", "web=2"]).ok();
    under_load(house.http, "grows.localhost", || {
        let _ = repo.noon(&["ps", "resize", "web=standard-2x"]).ok();
        let _ = repo.noon(&["ps:type", "web=Performance-M"]).ok();
        let _ = repo.noon(&["ps", "scale", "web=1:standard-2x"]).ok();
    });
    let seen = memory(&house, "grows");
    assert!(seen.is_none_or(|seen| seen == 2 * GIB), "{seen:?}");
    assert_ne!(house.get("grows", "/boot").body, boot);
    let shown = repo.noon(&["ps", "--json"]).ok().json();
    let up = |v: &&Value| v["name"] == "web.1" && v["state"] == "up";
    let up: Vec<_> = shown.as_array().into_iter().flatten().filter(up).collect();
    assert_eq!(up.len(), 1, "{shown}");
    assert_eq!(up[0]["size"], "standard-2x");
    let _ = repo.noon(&["ps", "scale"]).ok().says("standard-2x");
    assert!(said(&repo, "Scaled to web@1:standard-2x") > 0);

    // Through a deploy, and a restart of the server, it stays.
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    let sizes = repo.noon(&["ps", "resize", "--json"]).ok().json();
    assert_eq!(of_kind(&sizes, "web")["size"], "standard-2x");
    assert_eq!(of_kind(&sizes, "worker")["size"], "standard-1x");
    let seen = memory(&house, "grows");
    assert!(seen.is_none_or(|seen| seen == 2 * GIB), "{seen:?}");

    let _ = repo
        .noon(&["ps", "resize", "web=huge"])
        .fails(1)
        .says("use one of eco, basic, standard-1x");
    let _ = repo
        .noon(&["ps", "resize", "clock=basic"])
        .fails(1)
        .says("no process type clock");
    let _ = repo.noon(&["ps", "resize", "web="]).fails(2);
    house.tear_down();
}

#[test]
fn one_offs_and_the_release_phase_have_sizes() {
    let house = house().start();
    let repo = written(&house, "once-sized");
    let limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max \
        2>/dev/null | head -n 1";
    repo.write(
        "Procfile",
        &format!("web: ./server\nrelease: echo phase $({limit})\n"),
    )
    .commit("Phase");
    let first = repo.push().ok();
    let shows_limits = memory(&house, "once-sized").is_some();
    let sees = |arguments: &[&str], gib: u64| {
        let ran = repo.noon(&[&["run"], arguments, &[limit]].concat()).ok();
        let seen: Option<u64> = ran.stdout.trim().parse().ok();
        assert_eq!(seen, shows_limits.then_some(gib * GIB), "{ran}");
    };
    sees(&[], 1);
    sees(&["--size", "performance-m"], 5);
    let _ = repo.noon(&["run", "--size", "huge", "true"]).fails(1);
    let _ = repo.noon(&["ps", "resize", "release=standard-2x"]).ok();
    repo.write("word", "two\n").commit("Two");
    let second = repo.push().ok();
    if shows_limits {
        let _ = first.says(&format!("phase {GIB}"));
        let _ = second.says(&format!("phase {}", 2 * GIB));
    }
    let _ = repo
        .noon(&["ps", "scale", "release=1"])
        .fails(1)
        .says("cannot be scaled");
    house.tear_down();
}

#[test]
fn a_stop_timeout_is_kept_to_and_needs_no_restart() {
    let house = house().start();
    let repo = written(&house, "stubborn");
    repo.write(
        "work",
        "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.2; done\n",
    )
    .commit("Stubborn");
    let _ = repo.push().ok();
    let _ = repo.noon(&["ps", "scale", "worker=1"]).ok();
    let before = repo.noon(&["ps", "--json"]).ok().json();
    let shown = repo
        .noon(&[
            "ps",
            "limits",
            "worker",
            "--stop-timeout",
            "2s",
            "--boot-timeout",
            "2m",
        ])
        .ok();
    let _ = shown.says("boots within 2m").says("stops within 2s");
    let after = repo.noon(&["ps", "--json"]).ok().json();
    assert_eq!(
        of_kind(&before, "worker")["id"],
        of_kind(&after, "worker")["id"]
    );
    let _ = repo.noon(&["ps", "stop", "worker.1"]).ok();
    eventually("the worker was killed after the time that is set", || {
        let text = "heroku[worker.1]: Error R12 (Exit timeout) -> At least one process failed to \
            exit within 2 seconds of SIGTERM";
        (said(&repo, text) > 0).then_some(())
    });
    let all = repo.noon(&["ps", "limits", "--json"]).ok().json();
    let worker = of_kind(&all, "worker");
    assert_eq!(
        (&worker["stop_timeout"], &worker["boot_timeout"]),
        (&2.into(), &120.into())
    );
    assert_eq!(of_kind(&all, "web")["stop_timeout_is_set"], false);
    let back = repo.noon(&["ps", "limits", "worker", "--stop-timeout", "default"]);
    let _ = back.ok().says("(default)");
    for (arguments, code, text) in [
        (&["worker", "--stop-timeout", "2h"][..], 1, "from 1s to 1h"),
        (
            &["clock", "--stop-timeout", "2m"],
            1,
            "no process type clock",
        ),
        (&["--stop-timeout", "2m"], 2, "name it"),
        (&["clock"], 4, "no process type clock"),
    ] {
        let _ = repo
            .noon(&[&["ps", "limits"], arguments].concat())
            .fails(code)
            .says(text);
    }
    let _ = repo
        .noon(&["ps", "limits", "worker", "--stop-timeout", "1s"])
        .ok();
    house.tear_down();
}

#[test]
fn a_boot_timeout_may_be_set_before_the_first_deploy() {
    let house = house().env("NOON_BOOT_TIMEOUT", "2").start();
    let repo = written(&house, "slow-start");
    repo.write("Procfile", "web: sleep 5; exec ./server\n")
        .commit("Slow");
    let _ = repo.push().fails(1).says("within 2 seconds");
    let set = repo.noon(&["ps", "limits", "web", "--boot-timeout", "60s"]);
    let _ = set.ok().says("boots within 1m");
    repo.write("word", "two\n").commit("Again");
    let _ = repo.push().ok();
    answers(&house, "slow-start", "two\n");
    house.tear_down();
}

#[test]
fn a_health_check_gates_a_deploy_and_finds_a_process_that_hangs() {
    let house = house().env("NOON_BOOT_TIMEOUT", "5").start();
    let repo = pushed(&house, "judged");
    let check =
        r#"{"healthchecks":{"web":[{"path":"/health","timeout":1,"attempts":2,"wait":1}]}}"#;
    repo.write("app.json", check)
        .write("word", "sick\n")
        .commit("Sick");
    let _ = repo
        .push()
        .fails(1)
        .says("Web processes are up when they answer GET /health")
        .says("did not answer GET /health well within 5 seconds: it answered with status 503");
    assert_eq!(house.get("judged", "/").body, "one\n", "the old serves on");
    repo.write("word", "well\n").commit("Well");
    let _ = repo.push().ok();
    let boot = house.get("judged", "/boot").body;
    assert_eq!(house.get("judged", "/hang").body, "hanging");
    eventually("another process answers", || {
        let answer = house.get("judged", "/boot");
        (answer.status == 200 && answer.body != boot).then_some(())
    });
    let text = "heroku[web.1]: Health check failed 2 times in a row: GET /health, and it did not \
        answer within 1 second";
    eventually("the log tells why", || {
        (said(&repo, text) == 1).then_some(())
    });
    assert!(said(&repo, "State changed from up to crashed") > 0);
    repo.write("app.json", "{").commit("Broken");
    let _ = repo.push().fails(1).says("app.json is not JSON");
    house.tear_down();
}

#[test]
fn the_api_takes_and_shows_sizes_in_the_forms_that_herokus_clients_use() {
    let token = "noon_of_sizes";
    let mut house = house().env("NOON_OWNER_TOKEN", token).prepare();
    house.start_server();
    let server = format!("http://127.0.0.1:{}", house.api);
    let _ = house
        .noon(&["login", "--server", &server, "--token", token])
        .ok();
    let _repo = pushed(&house, "api-sized");
    let ask = |line: &str, body: &str| -> (u16, Value) {
        let answer = noon_testkit::request(
            house.api,
            &format!(
                "{line} HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        let json = serde_json::from_str(&answer.body);
        (answer.status, json.unwrap_or_default())
    };
    let (status, sizes) = ask("GET /dyno-sizes", "");
    assert_eq!((status, sizes.as_array().map(Vec::len)), (200, Some(6)));
    assert_eq!(ask("GET /apps/api-sized/available-dyno-sizes", "").1, sizes);
    let large = ask("GET /dyno-sizes/Performance-L", "").1;
    assert_eq!(large["memory"], 14.0);
    assert_eq!(ask("GET /dyno-sizes/huge", "").0, 404);
    let web = "PATCH /apps/api-sized/formation/web";
    for (body, expected) in [
        (r#"{"size":"Basic"}"#.to_owned(), "basic"),
        (
            r#"{"quantity":1,"size":"Standard-2X"}"#.to_owned(),
            "standard-2x",
        ),
        (
            format!(r#"{{"dyno_size":{{"id":{}}}}}"#, large["id"]),
            "performance-l",
        ),
        (r#"{"dyno_size":{"name":"eco"}}"#.to_owned(), "eco"),
    ] {
        let (status, shown) = ask(web, &body);
        assert_eq!(
            (status, &shown["size"]),
            (200, &expected.into()),
            "{body}: {shown}"
        );
        assert_eq!(shown["dyno_size"]["name"], expected);
    }
    let (status, refused) = ask(web, r#"{"size":"huge"}"#);
    assert_eq!((status, &refused["id"]), (422, &"invalid_params".into()));
    house.tear_down();
}
