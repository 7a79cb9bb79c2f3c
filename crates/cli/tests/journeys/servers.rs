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
