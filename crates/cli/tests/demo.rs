//! The README's first command, as a user types it.

use std::fs;
use std::process::{Command, Stdio};

const NOON: &str = env!("CARGO_BIN_EXE_noon");

/// A machine that cannot run a server cannot show one.
fn is_fit() -> bool {
    let mut doctor = Command::new(NOON);
    let doctor = doctor
        .arg("doctor")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let is_fit = doctor.status().is_ok_and(|status| status.success());
    if !is_fit {
        eprintln!("skipped: noon doctor finds something to mend on this machine");
    }
    is_fit
}

#[test]
fn the_demo_shows_everything_and_leaves_nothing_behind() {
    if !is_fit() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let demo = Command::new(NOON)
        .args(["demo", "--once"])
        .env("TMPDIR", tmp.path())
        .env("HOME", tmp.path())
        .env_remove("XDG_CONFIG_HOME")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&demo.stdout);
    let remarks = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{shown}\n{remarks}");
    for step in [
        "git push noon main",
        "noon ps scale web=3",
        "noon rollback",
        "noon logs",
    ] {
        assert!(
            shown.contains(&format!("$ {step}")),
            "{step} is not shown:\n{shown}"
        );
    }
    assert!(
        remarks.contains("did not boot"),
        "the broken push says why:\n{remarks}"
    );
    let left: Vec<_> = fs::read_dir(tmp.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_demo_that_is_called_off_stops_what_it_started() {
    if !is_fit() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let mut demo = Command::new(NOON)
        .arg("demo")
        .env("TMPDIR", tmp.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !has_server(tmp.path()) {
        assert!(
            demo.try_wait().unwrap().is_none(),
            "the demo ended by itself"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&demo);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    let left: Vec<_> = fs::read_dir(tmp.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Whether the demo's server has begun to keep its data.
fn has_server(tmp: &std::path::Path) -> bool {
    let homes = fs::read_dir(tmp)
        .expect("a directory")
        .filter_map(Result::ok);
    homes
        .into_iter()
        .any(|home| home.path().join("data/noon.db").exists())
}
