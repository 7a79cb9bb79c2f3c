//! Create, list, rename, destroy; domains; whoami.

use noon_testkit::{House, eventually};

use super::{answers, house, pushed};

/// Waits until no app has this name.
fn gone(house: &House, app: &str) {
    eventually(&format!("{app} is gone"), || {
        (house.get(app, "/").status == 404).then_some(())
    });
}

#[test]
fn an_app_is_made_shown_renamed_and_destroyed_without_a_trace() {
    let house = house().start();
    let repo = pushed(&house, "first");
    let _ = house.noon(&["whoami"]).ok().says("ada@example.com");
    let apps = house.noon(&["apps", "--json"]).ok().json();
    assert_eq!(apps[0]["name"], "first");
    let info = repo.noon(&["info", "--json"]).ok().json();
    assert_eq!(
        info["web_url"],
        format!("http://first.localhost:{}/", house.http)
    );

    let _ = repo.noon(&["rename", "second"]).ok();
    answers(&house, "second", "one\n");
    gone(&house, "first");

    let _ = house
        .noon(&["destroy", "--app", "second", "--confirm", "first"])
        .fails(2);
    answers(&house, "second", "one\n");
    let _ = house
        .noon(&["destroy", "--app", "second", "--confirm", "second"])
        .ok();
    gone(&house, "second");
    let _ = house.noon(&["info", "--app", "second"]).fails(4);
    let repos = std::fs::read_dir(house.data().join("repos"))
        .unwrap()
        .count();
    let logs = std::fs::read_dir(house.data().join("logs"))
        .unwrap()
        .flatten();
    let rings = logs.filter(|entry| entry.path().is_dir()).count();
    assert_eq!((repos, rings), (0, 0), "code or logs of the app are left");
    house.tear_down();
}

#[test]
fn a_custom_domain_leads_to_its_app_until_it_is_removed() {
    let house = house().start();
    let repo = pushed(&house, "domains");
    let ask = || noon_testkit::get(house.http, "www.example.com", "/");
    assert_eq!(ask().status, 404);
    let _ = repo.noon(&["domains", "add", "www.example.com"]).ok();
    eventually("the domain leads to the app", || {
        (ask().body == "one\n").then_some(())
    });
    let _ = repo.noon(&["domains"]).ok().says("www.example.com");
    let _ = repo.noon(&["domains", "add", "other.localhost"]).fails(1);
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(
        releases.as_array().map(Vec::len),
        Some(2),
        "a domain made a release"
    );
    let _ = repo.noon(&["domains", "remove", "www.example.com"]).ok();
    eventually("the domain leads nowhere", || {
        (ask().status == 404).then_some(())
    });
    house.tear_down();
}
