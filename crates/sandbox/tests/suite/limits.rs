//! What a process may use up: memory, tasks, disk, files.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::common::{
    Ground, can_run, cpu_group, layers, pipe, processes_below, shell, wait_readable,
};
use noon_sandbox::{Cpu, Ended, Limits, Notice, Shim, Spec, Stdio, launch};

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
fn one_process_beyond_the_limit_ends_all_of_the_sandbox() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        memory: Some(48 << 20),
        ..Limits::default()
    };
    let hog = "python3 -c 'x = b\"x\" * (200 << 20)'";
    let spec = Spec {
        limits,
        ..shell(&format!("{hog} & wait; exec sleep 1000"))
    };
    let mut running = ground.start(&spec).unwrap();
    assert_eq!(running.wait(), Ended::OutOfMemory);
}

#[test]
fn a_kill_by_somebody_else_is_no_want_of_memory() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        memory: Some(64 << 20),
        memory_quota: Some(32 << 20),
        ..Limits::default()
    };
    let upper = noon_sandbox::Upper {
        upper: ground.make_dir("b/upper"),
        work: ground.make_dir("b/work"),
    };
    // What it writes fills the group to the limit, and the kernel takes it back.
    let script = "head -c 100M /dev/zero > big; rm big; kill -9 $$";
    let mut spec = Spec {
        limits,
        ..shell(script)
    };
    spec.app.upper = Some(upper);
    let mut running = ground.start(&spec).unwrap();
    assert_eq!(running.wait(), Ended::Signal(libc::SIGKILL));
}

#[test]
fn those_who_watch_are_told_of_memory_over_the_quota() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        memory: Some(256 << 20),
        memory_quota: Some(64 << 20),
        ..Limits::default()
    };
    let hog = "x = b'x' * (100 << 20); print(1, flush=True); input()";
    let spec = Spec {
        limits,
        ..shell(&format!("read; exec python3 -c \"{hog}\""))
    };
    let (stdin, mut say) = pipe();
    let (mut hear, stdout) = pipe();
    let stderr = stdout.try_clone().unwrap();
    let stdio = Stdio::Attached {
        stdin: stdin.into(),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let dir = ground.shim_dir();
    let launched = launch(crate::common::program(), &dir, &spec, stdio).unwrap();
    let mut second = Shim::connect(&dir).unwrap();
    let nothing = launched.next_notice().unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    say.write_all(b"\n").unwrap();
    assert_eq!(crate::common::read_line(&mut hear), "1");
    for watcher in [&launched, &second] {
        assert!(wait_readable(watcher.wait_fd().as_raw_fd(), 60_000));
        let Some(Notice::MemoryOverQuota { bytes }) = watcher.next_notice().unwrap() else {
            panic!("it has not ended");
        };
        assert!((64 << 20..256 << 20).contains(&bytes), "{bytes}");
    }
    assert_eq!(second.status().unwrap().ended, None);
    second.kill().unwrap();
    assert!(wait_readable(launched.wait_fd().as_raw_fd(), 60_000));
    while launched.next_notice().unwrap().is_some() {}
    assert_eq!(second.status().unwrap().ended, Some(Ended::Signal(9)));
    let third = Shim::connect(&dir).unwrap();
    assert_eq!(third.next_notice().unwrap(), None, "it had ended before");
    third.dismiss().unwrap();
}

#[test]
fn files_that_were_only_read_and_written_are_not_over_the_quota() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let upper = noon_sandbox::Upper {
        upper: ground.make_dir("b/upper"),
        work: ground.make_dir("b/work"),
    };
    let limits = Limits {
        memory: Some(256 << 20),
        memory_quota: Some(32 << 20),
        ..Limits::default()
    };
    let script =
        "head -c 64M /dev/zero > big; sync big; cat big > /dev/null; echo done; sleep 1000";
    let mut spec = Spec {
        limits,
        ..shell(script)
    };
    spec.app.upper = Some(upper);
    let mut running = ground.start(&spec).unwrap();
    assert_eq!(crate::common::read_line(&mut running.output()), "done");
    let watch = running.shim().wait_fd().as_raw_fd();
    assert!(
        !wait_readable(watch, 3000),
        "a notice of what could be taken back"
    );
}

#[test]
fn a_process_gets_no_more_of_the_cpu_than_its_bound() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        cpu: Some(Cpu {
            weight: 50,
            millicores: Some(100),
        }),
        ..Limits::default()
    };
    let spec = Spec {
        limits,
        ..shell("echo on; while :; do :; done")
    };
    let mut running = ground.start(&spec).unwrap();
    assert_eq!(crate::common::read_line(&mut running.output()), "on");
    let init = running.shim().status().unwrap().init_pid;
    let group = |name: &str| cpu_group(init).join(name);
    if !group("cpu.stat").exists() {
        eprintln!("skipped: no cgroup shares out the CPU here");
        return;
    }
    crate::common::wait_until("its time was cut", || {
        let stat = std::fs::read_to_string(group("cpu.stat")).unwrap();
        let cut = stat
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        cut.unwrap().trim().parse::<u64>().unwrap() > 5
    });
    let read = |name: &str| std::fs::read_to_string(group(name)).unwrap();
    match group("cpu.max").exists() {
        true => assert_eq!(
            (read("cpu.max"), read("cpu.weight")),
            ("10000 100000\n".into(), "50\n".into())
        ),
        false => assert_eq!(
            (read("cpu.cfs_quota_us"), read("cpu.shares")),
            ("10000\n".into(), "512\n".into())
        ),
    }
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
