//! Machines that lack something: the doctor names it, a server says it once, or does not start.

use super::house;

/// Where limits are made.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Only root can hide a part of the machine.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can hide a part of the machine");
    }
    is_root
}

#[test]
fn the_doctor_names_what_is_missing_with_its_cost_and_its_mend() {
    if !is_root() {
        return;
    }
    let house = house().hide(CGROUPS).prepare();
    let _ = house
        .noon_as_server(&["doctor"])
        .ok()
        .says("lack  cgroup limits: without the memory and pids controllers")
        .says("Delegate=yes");
    let json = house.noon_as_server(&["doctor", "--json"]).ok().json();
    let limits = json
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "cgroup limits");
    assert_eq!(limits.unwrap()["ok"], false);
}

#[test]
fn a_server_says_once_what_its_machine_lacks_and_serves() {
    if !is_root() {
        return;
    }
    let house = house().hide(CGROUPS).start();
    let said = || {
        house
            .log()
            .matches("this machine lacks cgroup limits")
            .count()
    };
    assert_eq!(said(), 1, "{}", house.log());
    house.kill_role("control");
    super::eventually("control is back", || {
        (house.noon(&["whoami"]).code == 0).then_some(())
    });
    assert_eq!(said(), 1, "{}", house.log());
    drop(super::pushed(&house, "unlimited"));
    house.tear_down();
}

#[test]
fn a_server_that_others_reach_does_not_start_without_limits_unless_told_so() {
    if !is_root() {
        return;
    }
    let free = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("0.0.0.0:{}", listener.local_addr().unwrap().port())
    };
    let open = || house().hide(CGROUPS).env("NOON_HTTP_ADDR", free());
    let _ = open()
        .prepare()
        .noon_as_server(&["server"])
        .fails(1)
        .says("others reach this server at 0.0.0.0")
        .says("NOON_ALLOW_UNSAFE=limits");
    let _ = open()
        .env("NOON_ALLOW_UNSAFE", "everything")
        .prepare()
        .noon_as_server(&["server"])
        .fails(1)
        .says("use limits");
    // Allowed, it goes on to the next refusal.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let _ = open()
        .env("NOON_ALLOW_UNSAFE", "limits")
        .env("NOON_HTTP_ADDR", taken.local_addr().unwrap().to_string())
        .prepare()
        .noon_as_server(&["server"])
        .fails(1)
        .says("is taken");
}

#[test]
fn without_seccomp_no_server_starts() {
    if !is_root() {
        return;
    }
    let house = house()
        .hide("/proc/sys/kernel/seccomp/actions_avail")
        .prepare();
    let _ = house
        .noon_as_server(&["doctor"])
        .fails(1)
        .says("mend  seccomp filters");
    let ran = house.noon_as_server(&["server"]).fails(1);
    let _ = ran
        .says("this machine lacks seccomp filters")
        .says("CONFIG_SECCOMP_FILTER");
}
