//! Links: closed by default, opened one way, private, and as steady as the world's way in.

use noon_testkit::{House, Repo, eventually};

use super::load::Load;
use super::{answers, house, pushed};

/// What a process of an app gets that asks a host.
fn fetched(house: &House, app: &str, path: &str) -> String {
    house.get(app, &format!("/fetch/{path}")).body
}

fn is_refused(answer: &str) -> bool {
    answer.starts_with("refused")
}

/// Two apps, and a link from the first to the second.
fn linked<'h>(house: &'h House, (from, to): (&str, &str)) -> (Repo<'h>, Repo<'h>) {
    let (front, back) = (pushed(house, from), pushed(house, to));
    let _ = front
        .noon(&["links", "add", to])
        .ok()
        .says(&format!("{from} reaches {to} at http://{to}.internal/."));
    (front, back)
}

#[test]
fn apps_reach_each_other_only_through_a_link_and_only_one_way() {
    let house = house().start();
    let (front, back) = (pushed(&house, "frontend"), pushed(&house, "backend"));
    let _third = pushed(&house, "third");
    assert!(is_refused(&fetched(
        &house,
        "frontend",
        "backend.internal/"
    )));
    assert!(is_refused(&fetched(&house, "frontend", "127.0.0.1/")));
    let before = house.get("frontend", "/boot").body;
    let added = front.noon(&["links", "add", "backend"]).ok();
    assert!(added.stderr.contains("were replaced"), "{added}");
    assert_ne!(
        house.get("frontend", "/boot").body,
        before,
        "the same process answers"
    );

    assert_eq!(
        fetched(&house, "frontend", "backend.internal/"),
        "200 one\n"
    );
    let seen = fetched(&house, "frontend", "backend.internal/head");
    assert!(seen.contains("X-Forwarded-For: 127.0.0.1\n"), "{seen}");
    let once = "python3 -c \"import urllib.request as r; \
                print(r.urlopen('http://backend.internal/env/DYNO').read().decode())\"";
    let _ = front.noon(&["run", once]).ok().says("web.1");
    for (app, host) in [
        ("backend", "frontend"),
        ("third", "backend"),
        ("third", "frontend"),
    ] {
        let answer = fetched(&house, app, &format!("{host}.internal/"));
        assert!(is_refused(&answer), "{app} reaches {host}: {answer}");
    }
    assert!(is_refused(&fetched(&house, "third", "127.0.0.1/")));
    assert_eq!(
        house.get("backend.internal", "/").status,
        404,
        "from the world"
    );
    let _ = back
        .noon(&["logs", "-n", "100"])
        .ok()
        .says("host=backend.internal")
        .says("protocol=http from=frontend");
    let list = front.noon(&["links", "--json"]).ok().json();
    assert_eq!(list[0]["app"]["name"], "backend");
    assert_eq!(list[0]["host"], "backend.internal");

    let _ = front.noon(&["links", "remove", "backend"]).ok();
    let answer = fetched(&house, "frontend", "backend.internal/");
    assert!(is_refused(&answer), "after its link was removed: {answer}");
    house.tear_down();
}

#[test]
fn no_request_through_a_link_fails_while_the_other_app_is_deployed_scaled_and_restarted() {
    let house = house().start();
    let (front, back) = linked(&house, ("steady", "changing"));
    let path = "/fetch/changing.internal/slow/0.02";
    let load = Load::on(house.http, "steady.localhost", (path, "200 slow"));
    for round in 0..2 {
        back.write("word", &format!("{round}\n")).commit("Again");
        let _ = back.push().ok();
        let _ = back.noon(&["ps", "scale", "web=3"]).ok();
        let _ = back.noon(&["ps", "scale", "web=1"]).ok();
        let _ = back.noon(&["ps", "restart"]).ok();
        let _ = front.noon(&["ps", "restart"]).ok();
        house.kill_role("control");
        let _ = back.noon(&["ps"]).ok();
    }
    answers(&house, "changing", "1\n");
    load.end();
    house.tear_down();
}

#[test]
fn a_link_outlives_every_role_follows_a_new_name_and_ends_with_the_other_app() {
    let house = house().start();
    let (front, back) = linked(&house, ("lasting", "target"));
    let reaches = |name: &str| {
        eventually(&format!("{name} is reached"), || {
            let answer = fetched(&house, "lasting", &format!("{name}.internal/"));
            (answer == "200 one\n").then_some(())
        });
    };
    for role in ["control", "logs", "router"] {
        house.kill_role(role);
        reaches("target");
    }
    let _ = back.noon(&["rename", "goal"]).ok();
    reaches("goal");
    eventually("the old name leads nowhere", || {
        is_refused(&fetched(&house, "lasting", "target.internal/")).then_some(())
    });
    let _ = house
        .noon(&["destroy", "--app", "goal", "--confirm", "goal"])
        .ok();
    let answer = fetched(&house, "lasting", "goal.internal/");
    assert!(is_refused(&answer), "after its app was destroyed: {answer}");
    assert_eq!(
        front.noon(&["links", "--json"]).ok().json(),
        serde_json::json!([])
    );
    house.tear_down();
}

#[test]
fn what_cannot_be_linked_is_refused_with_the_reason() {
    let house = house().env("NOON_HOST_NETWORK", "allowed").start();
    let (front, _back) = linked(&house, ("one", "two"));
    for (arguments, why) in [
        (&["links", "add", "two"][..], "already"),
        (&["links", "add", "one"], "no link is needed"),
        (&["links", "add", "nobody"], "there is no app nobody"),
        (&["links", "remove", "nobody"], "there is no app nobody"),
        (&["network", "set", "host"], "remove them first"),
    ] {
        let refused = front.noon(arguments);
        assert!(
            refused.code != 0 && refused.stderr.contains(why),
            "{refused}"
        );
    }
    let _ = front.noon(&["links", "remove", "two"]).ok();
    let _ = front.noon(&["network", "set", "host"]).ok();
    let refused = front.noon(&["links", "add", "two"]);
    assert!(refused.stderr.contains("noon network set nat"), "{refused}");
    house.tear_down();
}

#[test]
fn an_app_without_a_way_out_still_reaches_what_it_is_linked_to() {
    let house = house().start();
    let (front, _back) = linked(&house, ("closed", "inner"));
    let _ = front.noon(&["network", "set", "none"]).ok();
    assert_eq!(fetched(&house, "closed", "inner.internal/"), "200 one\n");
    assert!(is_refused(&fetched(&house, "closed", "198.51.100.1/")));
    // What a command does first finds the router listening already: nothing else is waited for.
    for _ in 0..5 {
        let once = "true </dev/tcp/inner.internal/80 && echo open";
        let _ = front.noon(&["run", once]).ok().says("open");
    }
    house.tear_down();
}
