//! Attacks 76 to 81: the shim, from inside and from outside.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use noon_sandbox::{
    Ended, Error, Limits, PtySize, Shim, Spec, Stdio, clear, launch, open_pty, read_exit,
    resize_pty,
};

use crate::common::{
    layers, processes_below, program, read_line, stat_fields, wait_readable, wait_until,
};
use crate::stage::Stage;

attacks!(
    a_shim_is_found_by_no_app_and_hears_no_other_user,
    a_killed_shim_takes_everything_along,
    a_killed_init_is_told,
    a_shim_killed_at_any_moment_leaves_nothing,
    a_number_used_again_is_not_killed,
    a_console_of_any_size_stays_one,
);

const WAITS: &str = "say('up'); signal.pause()";

fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: pidfd_open takes numbers, and its result is ours alone.
    unsafe { OwnedFd::from_raw_fd(libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32) }
}

fn kill(pid: u32) {
    // SAFETY: kill takes numbers; these are processes that this test started.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
}

fn parent_of(pid: u32) -> u32 {
    stat_fields(&pid.to_string()).unwrap().1
}

/// Attack 76. Only root can become another user to try the second half.
fn a_shim_is_found_by_no_app_and_hears_no_other_user(stage: &Stage) {
    let mut app = stage.up(&stage.python(WAITS));
    let sock = app.dir.join("sock");
    assert_eq!(sock.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        app.dir.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
    let script = format!(
        "tries('sock', lambda: socket.socket(socket.AF_UNIX).connect('{}'))\nsay([d for d, _, ns in os.walk('/') if 'sock' in ns and not d.startswith(('/proc', '/usr'))])",
        sock.display()
    );
    stage.attack(&script, "sock ENOENT\n[]");
    if stage.is_root {
        // Even where its file is open to all, it says nothing to others.
        for path in [stage.ground.dir.path(), &app.dir] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::fs::set_permissions(&sock, PermissionsExt::from_mode(0o666)).unwrap();
        let ask = "import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\ns.connect(sys.argv[1])\ntry: s.send(b'x'); print(s.recv(100))\nexcept OSError: print(b'')";
        let asked = Command::new("setpriv")
            .args([
                "--reuid=54399",
                "--regid=54399",
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                ask,
            ])
            .arg(&sock)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout);
        assert_eq!(
            said.trim(),
            "b''",
            "{}",
            String::from_utf8_lossy(&asked.stderr)
        );
    }
    assert_eq!(app.shim().status().unwrap().ended, None);
    app.shim().kill().unwrap();
    app.finish();
}

/// Attack 78.
fn a_killed_shim_takes_everything_along(stage: &Stage) {
    let script = "
for _ in range(3):
    if os.fork() == 0:
        os.setsid(); signal.pause()
say('up'); signal.pause()
";
    let mut app = stage.up(&stage.python(script));
    let init = app.shim().status().unwrap().init_pid;
    let died = pidfd(init);
    kill(parent_of(init));
    assert!(
        wait_readable(died.as_raw_fd(), 30_000),
        "init outlived its shim"
    );
    wait_until("nothing is below it", || processes_below(init) == 0);
    let (mut connection, dir) = app.forget();
    assert!(
        wait_readable(connection.wait_fd().as_raw_fd(), 30_000),
        "nobody is told"
    );
    assert!(connection.status().is_err());
    wait_until("nobody listens", || {
        matches!(Shim::connect(&dir), Err(Error::Gone(_)))
    });
    assert_eq!(read_exit(&dir), None, "an end was made up");
    clear(&dir).unwrap();
}

/// Attack 79.
fn a_killed_init_is_told(stage: &Stage) {
    let mut app = stage.up(&stage.python(WAITS));
    let init = app.shim().status().unwrap().init_pid;
    kill(init);
    assert_eq!(app.finish(), Ended::Signal(libc::SIGKILL));
    assert_eq!(processes_below(init), 0);
}

/// Attack 80: the shim is killed some microseconds into each of many starts.
fn a_shim_killed_at_any_moment_leaves_nothing(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    let limits = Limits {
        memory: Some(64 << 20),
        tasks: Some(20),
        ..Limits::default()
    };
    let spec = layers(
        Spec {
            limits,
            ..stage.shell("sleep 1000")
        },
        &[&layer],
    );
    for round in 0..40_u64 {
        let dir = stage.ground.shim_dir();
        let needle = dir.to_str().unwrap().to_owned();
        let hunter = std::thread::spawn(move || hunt(&needle, Duration::from_micros(round * 150)));
        let started = launch(program(), &dir, &spec, Stdio::Piped);
        let _ = hunter.join();
        drop(started);
        wait_until("nobody listens", || match Shim::connect(&dir) {
            Ok(mut shim) => {
                let _ = shim.kill();
                wait_readable(shim.wait_fd().as_raw_fd(), 30_000);
                let _ = shim.dismiss();
                false
            }
            Err(_) => true,
        });
        clear(&dir).unwrap();
    }
}

/// Kills, after a while, whoever holds this directory open: that is a shim or its init.
fn hunt(needle: &str, after: Duration) {
    std::thread::sleep(after);
    let ours = std::process::id();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let links = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
        // One that is about to become another's shim has a name of ours yet, and every descriptor.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if pid != ours
            && name.starts_with("noon-")
            && targets.any(|target| target.to_string_lossy() == needle)
        {
            kill(pid);
        }
    }
}

/// Attack 81: after the end no verb of the shim reaches whoever has the number then.
fn a_number_used_again_is_not_killed(stage: &Stage) {
    let mut app = stage.start(&stage.shell("true"));
    assert_eq!(app.wait(), Ended::Code(0));
    let mut late = Shim::connect(&app.dir).unwrap();
    late.signal(libc::SIGTERM).unwrap();
    late.kill().unwrap();
    assert!(
        late.netns().is_err(),
        "a namespace of whoever has the number now"
    );
    assert_eq!(
        late.status().unwrap().ended,
        Some(Ended::Code(0)),
        "the end was rewritten"
    );
    assert_eq!(app.finish(), Ended::Code(0));
}

/// Attack 83.
fn a_console_of_any_size_stays_one(stage: &Stage) {
    let huge = PtySize {
        rows: u16::MAX,
        cols: u16::MAX,
    };
    let pty = open_pty(huge).unwrap();
    let dir = stage.ground.shim_dir();
    let spec = stage.python("say(*os.get_terminal_size()); signal.pause()");
    let mut shim = launch(program(), &dir, &spec, Stdio::Terminal(pty.inner)).unwrap();
    let mut terminal = File::from(pty.outer.try_clone().unwrap());
    assert_eq!(read_line(&mut terminal).trim(), "65535 65535");
    for (rows, cols) in [(0, 0), (1, u16::MAX), (u16::MAX, 0)] {
        resize_pty(&pty.outer, PtySize { rows, cols }).unwrap();
    }
    // More than a line may hold, to one that reads nothing: the terminal takes little of it.
    // SAFETY: the descriptor is open; from here on it does not wait.
    unsafe { libc::fcntl(pty.outer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    let taken: usize = (0..64)
        .map_while(|_| terminal.write(&[b'x'; 65536]).ok())
        .sum();
    assert!(taken < 1 << 20, "{taken} bytes were taken");
    assert_eq!(shim.status().unwrap().ended, None);
    shim.kill().unwrap();
    assert!(wait_readable(shim.wait_fd().as_raw_fd(), 30_000));
    assert_eq!(
        shim.status().unwrap().ended,
        Some(Ended::Signal(libc::SIGKILL))
    );
    shim.dismiss().unwrap();
}
