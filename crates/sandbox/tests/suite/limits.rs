//! What a process may use up: memory, tasks, disk, files.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::common::{Ground, can_run, layers, processes_below, shell, wait_readable};
use noon_sandbox::{Ended, Limits, Spec, Stdio, launch};

#[test]
fn a_fork_bomb_is_bounded_and_ends_at_once() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        tasks: Some(60),
        ..Limits::default()
    };
    let script = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1000";
    let mut running = ground
        .start(&Spec {
            limits,
            ..shell(script)
        })
        .unwrap();
    let init = running.shim().status().unwrap().init_pid;
    std::thread::sleep(Duration::from_millis(300));
    let count = processes_below(init);
    // Some end and others begin while one counts.
    assert!(count < 120, "{count} processes");
    running.shim().kill().unwrap();
    assert_eq!(running.finish(), Ended::Signal(libc::SIGKILL));
    assert_eq!(processes_below(init), 0);
}

#[test]
fn memory_beyond_the_limit_ends_the_process() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        memory: Some(32 << 20),
        ..Limits::default()
    };
    let spec = Spec {
        limits,
        ..shell("exec python3 -c 'x = b\"x\" * (200 << 20)'")
    };
    let mut running = ground.start(&spec).unwrap();
    assert_eq!(running.wait(), Ended::OutOfMemory);
}

#[test]
fn a_process_finds_its_memory_limit_where_runtimes_look() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        memory: Some(64 << 20),
        ..Limits::default()
    };
    let script = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null
        (echo 1 > memory/memory.limit_in_bytes || echo 1 > memory.max) 2>/dev/null || echo refused
        mkdir x memory/x 2>/dev/null || echo refused";
    assert_eq!(
        ground
            .run_spec(&Spec {
                limits,
                ..shell(script)
            })
            .0,
        "67108864\nrefused\nrefused\n"
    );
}

#[test]
fn the_launcher_s_mask_and_score_are_not_the_app_s() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let dir = ground.shim_dir();
    let status = std::process::Command::new("sh")
        .args([
            "-c",
            "umask 077; echo 500 > /proc/self/oom_score_adj; exec \"$0\" \"$@\"",
        ])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "limits::strict_launcher_for_another_test",
            "--nocapture",
        ])
        .env("NOON_TEST_STRICT_DIR", &dir)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Not a test by itself: what [`the_launcher_s_mask_and_score_are_not_the_app_s`] starts.
#[test]
fn strict_launcher_for_another_test() {
    let Ok(dir) = std::env::var("NOON_TEST_STRICT_DIR") else {
        return;
    };
    let spec = shell("umask; cat /proc/self/oom_score_adj; cat /etc/hostname");
    let mut shim = launch(crate::common::program(), dir.as_ref(), &spec, Stdio::Piped).unwrap();
    let mut text = String::new();
    File::from(shim.output().unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "0022\n0\nweb-1\n");
    assert!(wait_readable(shim.wait_fd().as_raw_fd(), 5000));
    shim.dismiss().unwrap();
}

#[test]
fn a_full_disk_is_the_app_s_own() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        disk: Some(4 << 20),
        ..Limits::default()
    };
    let script = "for at in /app /tmp /dev/shm; do head -c 8M /dev/zero 2>&1 > $at/big || true; rm $at/big; done 2>&1 | grep -c 'No space'
        for i in $(seq 3000); do echo > /tmp/$i || break; done 2>&1 | grep -c 'No space'";
    let layer = ground.make_dir("layer");
    let spec = layers(
        Spec {
            limits,
            ..shell(script)
        },
        &[&layer],
    );
    assert_eq!(ground.run_spec(&spec).0, "3\n1\n");
}

#[test]
fn open_files_are_bounded() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        nofile: Some(64),
        ..Limits::default()
    };
    let spec = Spec {
        limits,
        ..shell("ulimit -n; ulimit -Hn; ulimit -n 65 2>/dev/null || echo no")
    };
    assert_eq!(ground.run_spec(&spec).0, "64\n64\nno\n");
}
