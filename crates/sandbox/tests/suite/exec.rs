//! Commands let into a running sandbox: they see what the app sees, and can do no more.
#![expect(unsafe_code, reason = "tests signal as the platform does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fall")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use crate::common::{
    Ground, Running, can_run, read_line, shell, stat_fields, story, wait_readable, wait_until,
};
use noon_sandbox::{
    Ended, Error, Exec, ExecSpec, Limits, PtySize, Shim, Spec, Stdio, open_pty, resize_pty,
};

/// A command with its three pipes.
struct Inside {
    exec: Exec,
    input: Option<File>,
    output: File,
}

fn command(script: &str) -> ExecSpec {
    ExecSpec {
        argv: vec!["/bin/bash".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        cwd: "/app".into(),
    }
}

fn pipe() -> (File, OwnedFd) {
    let (read, write) = std::io::pipe().unwrap();
    (File::from(OwnedFd::from(read)), write.into())
}

fn try_enter(dir: &Path, spec: &ExecSpec) -> Result<Inside, Error> {
    let (stdin, input) = std::io::pipe().unwrap();
    let (output, stdout) = pipe();
    let stdio = Stdio::Attached {
        stdin: stdin.into(),
        stderr: stdout.try_clone().unwrap(),
        stdout,
    };
    let exec = Shim::exec(dir, spec, stdio)?;
    let input = Some(File::from(OwnedFd::from(input)));
    Ok(Inside {
        exec,
        input,
        output,
    })
}

fn enter(dir: &Path, script: &str) -> Inside {
    try_enter(dir, &command(script)).unwrap_or_else(|error| panic!("{}", story(&error)))
}

fn run(dir: &Path, script: &str) -> (String, Ended) {
    let mut inside = enter(dir, script);
    let mut text = String::new();
    inside.output.read_to_string(&mut text).unwrap();
    (text, inside.exec.wait().unwrap())
}

/// An app that waits, once it is up.
fn app(ground: &Ground, script: &str) -> Running {
    let mut running = ground
        .start(&shell(&format!("{script}\necho up; exec sleep 1000")))
        .unwrap();
    assert_eq!(read_line(&mut running.output()), "up");
    running
}

#[test]
fn a_command_inside_sees_what_the_app_sees() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(
        &ground,
        "echo one > /app/file; echo two > /tmp/file; readlink /proc/self/ns/* > /tmp/ns",
    );
    let dir = &running.dir;
    let script = "pwd; cat file /tmp/file; hostname; id -un; echo three > /tmp/back";
    let (text, ended) = run(dir, script);
    assert_eq!(text, "/app\none\ntwo\nweb-1\napp\n");
    assert_eq!(ended, Ended::Code(0));
    assert_eq!(run(dir, "cat /tmp/back").0, "three\n");
    let (text, _) = run(
        dir,
        "readlink /proc/self/ns/* | diff - /tmp/ns && echo same",
    );
    assert_eq!(text, "same\n", "it is in other namespaces");
    let (text, _) = run(dir, "cat /proc/[0-9]*/comm | sort | uniq -c | tr -s ' '");
    assert!(text.contains(" sleep"), "{text}");
    let groups = "cat /proc/self/cgroup; echo; for p in /proc/[0-9]*; do \
                  grep -q sleep $p/comm && cat $p/cgroup; done";
    let (text, _) = run(dir, groups);
    let (own, its) = text.split_once("\n\n").unwrap();
    assert_eq!(own.trim(), its.trim(), "it is in another cgroup");
}

#[test]
fn a_command_inside_can_do_no_more_than_the_app() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "cat /proc/self/limits > /tmp/limits");
    let table = [
        (
            "has no privileges",
            "grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' \
             /proc/self/status | tr -d '\\t '",
            "Uid:200001200001200001200001\nGid:200001200001200001200001\nGroups:\n\
             CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n\
             CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2",
        ),
        ("has no descriptor more", "echo /proc/self/fd/*", FDS),
        (
            "has no more of anything",
            "diff /tmp/limits /proc/self/limits && echo same",
            "same",
        ),
        (
            "has the environment it was given",
            "tr '\\0' '\\n' < /proc/$$/environ",
            "PATH=/usr/local/bin:/usr/bin:/bin",
        ),
        (
            "leads a session",
            "set -- $(cat /proc/$$/stat); test $1 = $6 && echo leads",
            "leads",
        ),
        (
            "reads init",
            "for f in environ mem maps root/x exe ns/mnt; do cat /proc/1/$f 2>/dev/null; done; echo denied",
            "denied",
        ),
        (
            "enters namespaces",
            "nsenter -t 1 -m true 2>/dev/null; unshare -U true 2>/dev/null; unshare -m true 2>/dev/null; \
             mount -t tmpfs x /mnt 2>/dev/null; chroot / true 2>/dev/null; echo refused",
            "refused",
        ),
        (
            "traces",
            "python3 -c 'import ctypes; print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))'",
            "-1",
        ),
        (
            "kills init",
            "(kill -9 1; kill -STOP 1) 2>/dev/null; echo alive",
            "alive",
        ),
        (
            "writes the stack",
            "touch /usr/x /etc/x /x /dev/x /run/x 2>&1 | grep -c Read-only",
            "5",
        ),
    ];
    for (name, script, expected) in table {
        assert_eq!(run(&running.dir, script).0.trim_end(), expected, "{name}");
    }
}

/// Standard input, output, error, and the one with which bash lists them.
const FDS: &str = "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3";

/// CVE-2016-9962: an app that lies in wait for whoever comes in.
#[test]
fn an_app_gets_nothing_out_of_one_who_comes_in() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = ground
        .start(&shell(&format!("exec python3 -c '{AMBUSH}'")))
        .unwrap();
    let mut output = running.output();
    assert_eq!(read_line(&mut output), "up");
    for _ in 0..30 {
        let mut spec = ExecSpec {
            argv: vec!["/usr/bin/true".into()],
            ..command("")
        };
        spec.env.push(("BIG".into(), "x".repeat(100_000)));
        assert_eq!(
            try_enter(&running.dir, &spec).unwrap().exec.wait().unwrap(),
            Ended::Code(0)
        );
    }
    let stop = ExecSpec {
        argv: vec!["/usr/bin/touch".into(), "/tmp/stop".into()],
        ..command("")
    };
    let stopped = try_enter(&running.dir, &stop).unwrap().exec.wait();
    assert_eq!(stopped.unwrap(), Ended::Code(0));
    let said = read_line(&mut output);
    assert_eq!(said, "found []", "the app reached into one who came in");
}

/// Looks at each process that is not its own and not yet a program of the stack.
const AMBUSH: &str = r#"
import os, ctypes
libc = ctypes.CDLL(None)
print("up", flush=True)
found = set()
while not os.path.exists("/tmp/stop"):
    for pid in [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]:
        base = "/proc/" + pid
        try:
            exe = os.readlink(base + "/exe")
        except OSError:
            exe = None
        if exe is not None and not exe.startswith("/usr/"):
            found.add("exe " + exe)
        try:
            for fd in os.listdir(base + "/fd"):
                to = os.readlink(base + "/fd/" + fd)
                if to.startswith("/") and not to.startswith(("/usr/", "/dev/", "/proc/", "/etc/")):
                    found.add("fd " + to)
                if to.startswith("socket:"):
                    found.add("socket")
        except OSError:
            pass
        if libc.ptrace(16, int(pid), 0, 0) == 0:
            found.add("ptrace")
print("found", sorted(found), flush=True)
"#;

#[test]
fn the_end_of_a_command_inside_is_told() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = app(&ground, "");
    assert_eq!(run(&running.dir, "exit 7").1, Ended::Code(7));
    assert_eq!(
        run(&running.dir, "kill -SEGV $$").1,
        Ended::Signal(libc::SIGSEGV)
    );
    let mut inside = enter(
        &running.dir,
        "trap 'exit 9' USR1; echo up; while :; do sleep 0.05; done",
    );
    assert_eq!(read_line(&mut inside.output), "up");
    assert!(!wait_readable(inside.exec.wait_fd().as_raw_fd(), 0));
    inside.exec.signal(libc::SIGUSR1).unwrap();
    assert_eq!(inside.exec.wait().unwrap(), Ended::Code(9));
    let inside = enter(&running.dir, "trap '' HUP TERM; sleep 1000");
    inside.exec.kill().unwrap();
    assert_eq!(inside.exec.wait().unwrap(), Ended::Signal(libc::SIGKILL));
    assert_eq!(running.shim().status().unwrap().ended, None);
}

#[test]
fn a_command_that_cannot_start_inside_names_the_step() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "");
    let fails = |change: &dyn Fn(&mut ExecSpec), needle: &str| {
        let mut spec = command("true");
        change(&mut spec);
        let Err(error) = try_enter(&running.dir, &spec) else {
            panic!("{needle}: it started")
        };
        assert!(
            story(&error).contains(needle),
            "{needle:?} is not in {}",
            story(&error)
        );
    };
    fails(
        &|spec| spec.argv = vec!["no-such".into()],
        "running \"no-such\"",
    );
    fails(
        &|spec| spec.argv = vec!["/etc/passwd".into()],
        "Permission denied",
    );
    fails(
        &|spec| spec.cwd = "/nowhere".into(),
        "starting in \"/nowhere\"",
    );
    fails(
        &|spec| spec.cwd = "/proc/self/fd/3".into(),
        "cannot be the directory",
    );
    fails(&|spec| spec.argv.clear(), "no command");
    fails(
        &|spec| spec.env.push(("A".into(), "x".repeat(3 << 20))),
        "Argument list too long",
    );
    assert_eq!(run(&running.dir, "echo fine").0, "fine\n");
    let piped = Shim::exec(&running.dir, &command("true"), Stdio::Piped);
    assert!(matches!(piped, Err(Error::Spec(_))));
    let nobody = try_enter(ground.dir.path(), &command("true"));
    assert!(matches!(nobody, Err(Error::Gone(_))));
}

#[test]
fn a_large_environment_goes_in() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "");
    let mut spec = command("echo ${#BIG0} ${#BIG9}");
    let big = |index| (format!("BIG{index}"), "x".repeat(100_000));
    spec.env.extend((0..10).map(big));
    let mut inside = try_enter(&running.dir, &spec).unwrap();
    assert_eq!(read_line(&mut inside.output), "100000 100000");
}

#[test]
fn a_command_inside_reads_what_it_is_given() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "");
    let mut inside = enter(&running.dir, "tr a-z A-Z");
    inside.input.take().unwrap().write_all(b"shout").unwrap();
    let mut text = String::new();
    inside.output.read_to_string(&mut text).unwrap();
    assert_eq!(text, "SHOUT");
}

#[test]
fn a_command_inside_has_a_terminal_that_changes_its_size() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "");
    let pty = open_pty(PtySize { rows: 24, cols: 80 }).unwrap();
    let script = "trap 'stty size' WINCH; stty size; read line; echo \"got $line\" > /dev/tty; \
                  echo again > /dev/stderr; while :; do sleep 0.05; done";
    let exec = Shim::exec(&running.dir, &command(script), Stdio::Terminal(pty.inner));
    let exec = exec.unwrap_or_else(|error| panic!("{}", story(&error)));
    let mut terminal = File::from(pty.outer.try_clone().unwrap());
    assert_eq!(read_line(&mut terminal).trim(), "24 80");
    terminal.write_all(b"words\n").unwrap();
    assert_eq!(read_line(&mut terminal).trim(), "words");
    assert_eq!(read_line(&mut terminal).trim(), "got words");
    assert_eq!(read_line(&mut terminal).trim(), "again");
    resize_pty(&pty.outer, PtySize { rows: 30, cols: 90 }).unwrap();
    assert_eq!(read_line(&mut terminal).trim(), "30 90");
    // A shell between two commands takes the first for one that was meant for the command before.
    while !wait_readable(exec.wait_fd().as_raw_fd(), 200) {
        terminal.write_all(b"\x03").unwrap();
    }
    assert_eq!(exec.wait().unwrap(), Ended::Signal(libc::SIGINT));
}

#[test]
fn a_shell_inside_keeps_its_jobs_apart() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "");
    let pty = open_pty(PtySize { rows: 24, cols: 80 }).unwrap();
    let shell = ExecSpec {
        argv: ["/bin/bash", "--norc", "-i"].map(str::to_owned).to_vec(),
        ..command("")
    };
    let exec = Shim::exec(&running.dir, &shell, Stdio::Terminal(pty.inner));
    let exec = exec.unwrap_or_else(|error| panic!("{}", story(&error)));
    let mut terminal = File::from(pty.outer);
    terminal
        .write_all(b"stty -echo; PS1=; echo ready\n")
        .unwrap();
    let mut before = String::new();
    loop {
        let line = read_line(&mut terminal);
        if line.trim() == "ready" {
            break;
        }
        before.push_str(&line);
    }
    assert!(!before.contains("job control"), "{before}");
    terminal.write_all(b"echo up; sleep 1000\n").unwrap();
    assert_eq!(read_line(&mut terminal).trim(), "up");
    // Not before the job has the terminal.
    wait_until("the job runs", || {
        run(&running.dir, "cat /proc/[0-9]*/comm")
            .0
            .matches("sleep")
            .count()
            == 2
    });
    terminal.write_all(b"\x03").unwrap();
    terminal.write_all(b"exit 5\n").unwrap();
    assert_eq!(exec.wait().unwrap(), Ended::Code(5));
}

#[test]
fn a_command_inside_ends_with_the_one_who_asked_for_it() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = app(&ground, "");
    let mut heeds = enter(
        &running.dir,
        "trap 'echo heard; exit' HUP; echo up; while :; do sleep 0.05; done",
    );
    assert_eq!(read_line(&mut heeds.output), "up");
    drop(heeds.exec);
    let mut said = String::new();
    heeds.output.read_to_string(&mut said).unwrap();
    assert!(said.contains("heard"), "{said}");
    let mut ignores = enter(
        &running.dir,
        "trap '' HUP; echo up; while :; do sleep 0.05; done",
    );
    assert_eq!(read_line(&mut ignores.output), "up");
    drop(ignores.exec);
    // SIGKILL closes it, a few seconds later.
    assert_eq!(ignores.output.read(&mut [0]).unwrap(), 0);
    assert_eq!(running.shim().status().unwrap().ended, None);
}

#[test]
fn a_command_inside_ends_with_the_sandbox() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let script = "trap '' TERM HUP; echo up; while :; do sleep 0.05; done";
    let mut running = ground
        .start(&shell(
            "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done",
        ))
        .unwrap();
    assert_eq!(read_line(&mut running.output()), "up");
    let mut stubborn = enter(&running.dir, script);
    let mut polite = enter(
        &running.dir,
        "trap 'exit 8' TERM; echo up; while :; do sleep 0.05; done",
    );
    assert_eq!(read_line(&mut stubborn.output), "up");
    assert_eq!(read_line(&mut polite.output), "up");
    running.shim().signal(libc::SIGTERM).unwrap();
    assert_eq!(
        running.finish(),
        Ended::Code(4),
        "the app's own end is told as it was"
    );
    let ended = polite.exec.wait().unwrap();
    assert!(
        matches!(ended, Ended::Code(8) | Ended::Signal(libc::SIGKILL)),
        "{ended:?}"
    );
    assert_eq!(stubborn.exec.wait().unwrap(), Ended::Signal(libc::SIGKILL));
}

#[test]
fn a_command_inside_ends_with_its_shim() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = app(&ground, "");
    let mut inside = enter(
        &running.dir,
        "echo $$; trap '' HUP TERM; while :; do sleep 0.05; done",
    );
    read_line(&mut inside.output);
    let init = running.shim().status().unwrap().init_pid;
    let shim = stat_fields(&init.to_string()).unwrap().1;
    // SAFETY: kill takes numbers; this is the shim that this test started.
    unsafe { libc::kill(shim as i32, libc::SIGKILL) };
    assert_eq!(
        inside.output.read(&mut [0]).unwrap(),
        0,
        "it outlived its shim"
    );
    assert!(inside.exec.wait().is_err());
    let (_, dir) = running.forget();
    wait_until("its groups can be removed", || {
        noon_sandbox::clear(&dir).is_ok()
    });
}

#[test]
fn only_a_few_commands_run_inside_at_once() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let running = app(&ground, "");
    let mut held: Vec<Inside> = (0..16).map(|_| enter(&running.dir, "read x")).collect();
    let Err(error) = try_enter(&running.dir, &command("true")) else {
        panic!("a seventeenth was let in")
    };
    assert!(matches!(error, Error::Refused { .. }), "{}", story(&error));
    drop(held.pop().unwrap().input.take());
    wait_until("one has left", || {
        try_enter(&running.dir, &command("true")).is_ok()
    });
}

#[test]
fn commands_inside_count_into_the_limits() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let limits = Limits {
        memory: Some(48 << 20),
        tasks: Some(6),
        ..Limits::default()
    };
    let mut running = ground
        .start(&Spec {
            limits,
            ..shell("echo up; for i in 1 2 3; do sleep 1000 & done; wait")
        })
        .unwrap();
    assert_eq!(read_line(&mut running.output()), "up");
    // Not a shell, which tries each fork again for half a minute.
    let bomb = "exec python3 -c '\nimport os, time\nfailed = 0\nfor i in range(20):\n try:\n  \
                if os.fork() == 0: time.sleep(1); os._exit(0)\n except OSError: failed += 1\n\
                print(failed)'";
    let (text, _) = run(&running.dir, bomb);
    assert!(
        !matches!(text.as_str(), "0\n" | ""),
        "tasks are not bounded: {text}"
    );
    wait_until("there is room for one", || {
        try_enter(&running.dir, &command("true")).is_ok()
    });
    let glutton = "exec python3 -c 'x = b\"x\" * (200 << 20); print(len(x))'";
    let (text, _) = run(&running.dir, glutton);
    assert!(!text.contains("209715200"), "memory is not bounded: {text}");
}

#[test]
fn a_process_that_has_ended_lets_nobody_in() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut running = ground.start(&shell("true")).unwrap();
    running.wait();
    let Err(error) = try_enter(&running.dir, &command("true")) else {
        panic!("it was let in")
    };
    assert!(story(&error).contains("has ended"), "{}", story(&error));
}
