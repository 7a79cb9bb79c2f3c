//! What apps may reach: chosen per app, changed without a failed request.

use noon_testkit::Repo;

use super::load::Load;
use super::{answers, house, pushed, written};

/// What a one-off prints, without what noon says of it.
fn printed(repo: &Repo<'_>, command: &str) -> String {
    repo.noon(&["run", command]).ok().stdout.trim().to_owned()
}

/// The name servers that a one-off is told of.
fn resolvers(repo: &Repo<'_>) -> Vec<String> {
    let list = printed(repo, "cat /etc/resolv.conf");
    let server = |line: &str| Some(line.trim().strip_prefix("nameserver")?.trim().to_owned());
    list.lines().filter_map(server).collect()
}

/// Whether a one-off has a way out.
fn is_led_out(repo: &Repo<'_>) -> bool {
    let routes = printed(repo, "cat /proc/net/route");
    routes.contains("eth0\t00000000")
}

#[test]
fn an_app_chooses_its_network_and_no_request_fails_through_the_change() {
    let house = house().start();
    let repo = pushed(&house, "reaches");
    let shown = repo.noon(&["network", "--json"]).ok().json();
    assert_eq!(
        (&shown["network"], &shown["chosen"], &shown["most"]),
        (&"nat".into(), &serde_json::Value::Null, &"nat".into())
    );
    let load = Load::on(house.http, "reaches.localhost", ("/slow/0", "slow"));
    let before = house.get("reaches", "/boot").body;
    let _ = repo.noon(&["network", "set", "none"]).ok().says("none");
    let after = house.get("reaches", "/boot").body;
    assert_ne!(before, after, "the same process answers");
    assert_eq!(resolvers(&repo), ["127.0.0.1"]);
    assert!(!is_led_out(&repo), "a one-off has a way out");
    let said = house.get("reaches", "/reach/198.51.100.1/9").body;
    assert!(said.starts_with("refused"), "{said}");
    let _ = repo.noon(&["network", "set", "default"]).ok().says("nat");
    assert_eq!(
        repo.noon(&["network"]).ok().stdout.trim(),
        "nat (the server's default)"
    );
    load.end();
    let releases = repo.noon(&["releases", "--json"]).ok().json();
    assert_eq!(
        releases.as_array().map(Vec::len),
        Some(2),
        "a release was made"
    );
    house.tear_down();
}

#[test]
fn with_a_way_out_a_process_is_told_of_a_name_server_that_it_can_ask() {
    let house = house().start();
    let repo = pushed(&house, "asks");
    if !is_led_out(&repo) {
        eprintln!("skipped: this machine cannot lead an app out (no nft, or no pasta)");
        return house.tear_down();
    }
    let own = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let told = resolvers(&repo);
    if house.is_rootless() {
        assert_eq!(told, ["169.254.1.1"], "pasta's own");
    } else {
        assert!(
            !told.iter().any(|server| server.starts_with("127.")),
            "{told:?}"
        );
        let is_known = |server: &String| own.contains(server) || server.starts_with("10.213.");
        assert!(told.iter().all(is_known), "{told:?} {own}");
    }
    house.tear_down();
}

#[test]
fn the_release_phase_reaches_what_the_app_reaches() {
    let house = house().start();
    let repo = written(&house, "phased");
    repo.write("Procfile", "web: ./server\nrelease: cat /etc/resolv.conf\n")
        .commit("A phase");
    let _ = repo.noon(&["network", "set", "none"]).ok();
    let _ = repo.push().ok().says("nameserver 127.0.0.1");
    let _ = repo.noon(&["network", "set", "default"]).ok();
    repo.write("word", "two\n").commit("Two");
    let pushed = repo.push().ok();
    for server in resolvers(&repo) {
        assert!(
            pushed.stderr.contains(&format!("nameserver {server}")),
            "{pushed}"
        );
    }
    house.tear_down();
}

#[test]
fn the_machines_own_network_is_refused_unless_the_server_allows_it() {
    let house = house().start();
    let repo = pushed(&house, "weak");
    let refused = repo.noon(&["network", "set", "host"]);
    assert!(refused.code != 0, "{refused}");
    assert!(
        refused.stderr.contains("NOON_HOST_NETWORK=allowed"),
        "{refused}"
    );
    assert_eq!(
        repo.noon(&["network"]).ok().stdout.trim(),
        "nat (the server's default)"
    );
    house.tear_down();
}

#[test]
fn an_app_that_may_shares_the_machines_network() {
    let house = house().env("NOON_HOST_NETWORK", "allowed").start();
    let repo = pushed(&house, "shares");
    let own = |port: u16| {
        house
            .get("shares", &format!("/reach/127.0.0.1/{port}"))
            .body
    };
    assert!(
        own(house.api).starts_with("refused"),
        "it has a network of its own"
    );
    let _ = repo.noon(&["network", "set", "host"]).ok().says("host");
    answers(&house, "shares", "one\n");
    assert_eq!(own(house.api), "reached", "it has the machine's");
    let told = resolvers(&repo);
    let list = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert!(
        told.iter().all(|server| list.contains(server)),
        "{told:?} {list}"
    );
    let _ = repo.noon(&["network", "set", "nat"]).ok();
    assert!(
        own(house.api).starts_with("refused"),
        "it has a network of its own again"
    );
    house.tear_down();
}
