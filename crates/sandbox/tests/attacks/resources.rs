//! Attacks 51 to 65: what an app uses up, and how it ends.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use noon_sandbox::{Cpu, Ended, Limits, Spec};

use crate::common::{
    Running, layers, processes_below, read_line, story, wait_readable, wait_until,
};
use crate::stage::{Stage, assert_lines, groups};

attacks!(
    a_fork_bomb_is_bounded_and_ends_at_once,
    too_much_memory_ends_the_process_and_no_other,
    memory_by_other_means_is_counted_too,
    full_disks_are_the_app_s_own,
    open_files_end_at_their_limit,
    burning_all_cpus_leaves_the_neighbours_theirs,
    a_flood_of_output_is_held_back,
    closed_descriptors_change_nothing,
    what_will_not_end_is_ended,
    what_is_left_running_ends_with_its_process,
    a_process_that_stops_itself_can_be_ended,
    zombies_are_buried,
    a_storm_of_syncs_stops_no_neighbour,
    too_large_an_environment_is_refused_by_name,
);

const MIB: u64 = 1 << 20;

fn limited(spec: Spec, limits: Limits) -> Spec {
    Spec { limits, ..spec }
}

/// A neighbour that answers each time it is told to go on.
fn answering(stage: &Stage) -> Running {
    stage.neighbour("signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b'here\\n'))\nsay('up')\nwhile True: signal.pause()")
}

fn answers(neighbour: &mut Running) {
    let mut output = neighbour.output();
    neighbour.shim().signal(libc::SIGUSR1).unwrap();
    assert_eq!(read_line(&mut output), "here");
}

fn end(mut running: Running) {
    running.shim().kill().unwrap();
    assert_eq!(running.finish(), Ended::Signal(libc::SIGKILL));
}

/// Attack 51.
fn a_fork_bomb_is_bounded_and_ends_at_once(stage: &Stage) {
    let mut neighbour = answering(stage);
    let limits = Limits {
        tasks: Some(60),
        ..Limits::default()
    };
    let script = "
told = False
while True:
    try:
        if os.fork() == 0: told = True
    except OSError as e:
        if not told: say(errno.errorcode[e.errno]); told = True
        time.sleep(0.01)
";
    let mut bomb = stage.start(&limited(stage.python(script), limits));
    assert_eq!(read_line(&mut bomb.output()), "EAGAIN");
    let init = bomb.shim().status().unwrap().init_pid;
    let count = processes_below(init);
    assert!((2..=61).contains(&count), "{count} processes");
    answers(&mut neighbour);
    assert_eq!(
        stage.prints(&Spec {
            uid: stage.uid + 2,
            ..stage.shell("echo starts")
        }),
        "starts\n"
    );
    end(bomb);
    assert_eq!(processes_below(init), 0);
    end(neighbour);
}

/// Attack 52.
fn too_much_memory_ends_the_process_and_no_other(stage: &Stage) {
    let mut neighbour = answering(stage);
    let limits = Limits {
        memory: Some(32 * MIB),
        ..Limits::default()
    };
    let hog = stage.python("x = b'x' * (200 << 20); time.sleep(600)");
    let (_, ended) = stage.ground.run_spec(&limited(hog, limits));
    assert_eq!(ended, Ended::OutOfMemory);
    // One that forks so that each process alone has little.
    let many = stage.python("for _ in range(20):\n  if os.fork() == 0: x = b'x' * (20 << 20); time.sleep(600)\ntime.sleep(600)");
    let (_, ended) = stage.ground.run_spec(&limited(many, limits));
    assert_eq!(ended, Ended::OutOfMemory);
    answers(&mut neighbour);
    end(neighbour);
}

/// Attack 53. Without cgroups what is not mapped has the kernel's own bounds, per user.
fn memory_by_other_means_is_counted_too(stage: &Stage) {
    let limits = Limits {
        memory: Some(48 * MIB),
        disk: Some(512 * MIB),
        nofile: Some(4096),
        ..Limits::default()
    };
    let everywhere = [
        (
            "maps",
            "held = [mmap.mmap(-1, 1 << 16) for _ in range(4000)]\nfor m in held: m.write(b'x' * (1 << 16))",
        ),
        (
            "locks",
            "m = mmap.mmap(-1, 200 << 20)\nlibc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(m))), ctypes.c_size_t(200 << 20))\nfor i in range(0, 200 << 20, 4096): m[i] = 1",
        ),
    ];
    let by_cgroups = [
        (
            "files",
            "f = open('/tmp/f', 'wb')\nfor _ in range(200): f.write(b'x' * (1 << 20))",
        ),
        (
            "shm",
            "f = open('/dev/shm/f', 'wb')\nfor _ in range(200): f.write(b'x' * (1 << 20))",
        ),
        (
            "memfd",
            "f = os.memfd_create('m')\nfor _ in range(200): os.write(f, b'x' * (1 << 20))",
        ),
        (
            "sockets",
            "held = []\nfor _ in range(1500):\n  a, b = socket.socketpair(); a.setblocking(False); held += [a, b]\n  try:\n    while True: a.send(b'x' * (1 << 16))\n  except BlockingIOError: pass",
        ),
    ];
    let with_cgroups = by_cgroups.iter().filter(|_| stage.has_cgroups);
    for (name, script) in everywhere.iter().chain(with_cgroups) {
        let spec = stage.python(&format!("{script}\ntime.sleep(600)"));
        let (printed, ended) = stage.ground.run_spec(&limited(spec, limits));
        assert_eq!(ended, Ended::OutOfMemory, "{name}: {printed}");
    }
    let pipes = "
held = []
try:
    while True:
        r, w = os.pipe(); os.set_blocking(w, False); held += [r, w]
        try: 
            while True: os.write(w, b'x' * 65536)
        except BlockingIOError: pass
except OSError as e: say(e.errno == errno.EMFILE)
";
    // The kernel gives one user little for pipes; where that is not enough the limit is.
    let (printed, ended) = stage.ground.run_spec(&limited(stage.python(pipes), limits));
    assert!(
        ended == Ended::OutOfMemory || printed == "True\n",
        "{ended:?} {printed}"
    );
}

/// Attack 54.
fn full_disks_are_the_app_s_own(stage: &Stage) {
    let limits = Limits {
        disk: Some(4 * MIB),
        ..Limits::default()
    };
    let layer = stage.ground.make_dir("layer");
    std::fs::write(layer.join("kept"), "kept").unwrap();
    let script = r#"
for place in ["/app", "/tmp", "/dev/shm", "/var/tmp"]:
    def fill():
        with open(place + "/big", "wb", buffering=0) as f:
            for _ in range(64): f.write(b"x" * (1 << 20))
            raise OSError(0, "never full")
    tries(place, fill); os.unlink(place + "/big")
def names():
    for n in range(200000): open(f"/tmp/{n}", "w").close()
    raise OSError(0, "never full")
tries("names", names)
tries("allocate", lambda: os.posix_fallocate(os.open("/tmp/0", os.O_RDWR), 0, 1 << 40))
"#;
    let spec = layers(limited(stage.python(script), limits), &[&layer]);
    let printed = stage.prints(&spec);
    assert_lines(
        &printed,
        "/app ENOSPC\n/tmp ENOSPC\n/dev/shm ENOSPC\n/var/tmp ENOSPC\nnames ENOSPC\nallocate ENOSPC",
    );
    assert_eq!(std::fs::read_dir(&layer).unwrap().count(), 1);
}

/// Attack 55.
fn open_files_end_at_their_limit(stage: &Stage) {
    let limits = Limits {
        nofile: Some(256),
        ..Limits::default()
    };
    let script = "
held = []
try:
    while True: held.append(os.open('/dev/null', os.O_RDONLY))
except OSError as e: say(errno.errorcode[e.errno], len(held) < 256); say('up'); signal.pause()
";
    let mut app = stage.start(&limited(stage.python(script), limits));
    let mut output = app.output();
    assert_eq!(read_line(&mut output), "EMFILE True");
    assert_eq!(read_line(&mut output), "up");
    // Shims accept as ever, and so does the next to be launched.
    assert!(noon_sandbox::Shim::connect(&app.dir).is_ok());
    assert_eq!(stage.prints(&stage.shell("echo starts")), "starts\n");
    end(app);
}

/// Attack 56: without cgroups the kernel alone shares out, by niceness.
fn burning_all_cpus_leaves_the_neighbours_theirs(stage: &Stage) {
    let mut neighbour = answering(stage);
    let limits = Limits {
        cpu: Some(Cpu {
            weight: 20,
            millicores: Some(100),
        }),
        ..Limits::default()
    };
    let script = "
nice = os.getpriority(0, 0)
for _ in range(os.cpu_count()):
    if os.fork() == 0:
        while True: pass
say('up'); say(nice); signal.pause()
";
    let mut app = stage.start(&limited(stage.python(script), limits));
    let mut output = app.output();
    assert_eq!(read_line(&mut output), "up");
    let nice: i32 = read_line(&mut output).parse().unwrap();
    let throttled = |group: &PathBuf| {
        let text = std::fs::read_to_string(group.join("cpu.stat")).unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("nr_throttled "));
        lines
            .filter_map(|count| count.parse::<u64>().ok())
            .sum::<u64>()
    };
    if stage.has_cgroups {
        wait_until("it is throttled", || {
            groups(&app.dir).iter().any(|group| throttled(group) > 0)
        });
    } else {
        assert!(nice > 0, "it is as nice as its neighbours");
    }
    for _ in 0..10 {
        answers(&mut neighbour);
    }
    end(app);
    end(neighbour);
}

/// Attack 57, up to the pipe: behind it are the logs.
fn a_flood_of_output_is_held_back(stage: &Stage) {
    let mut neighbour = answering(stage);
    let script = r"
say('up')
while True: sys.stdout.buffer.write(b'\x1b[2J\x00\xff' * 65536)
";
    let mut app = stage.up(&stage.python(script));
    // Nobody reads: the app waits at the pipe, and the shim holds nothing.
    let init = app.shim().status().unwrap().init_pid;
    let child = || {
        let path = format!("/proc/{init}/task/{init}/children");
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    wait_until("the app waits for a reader", || {
        let wchan = std::fs::read_to_string(format!("/proc/{}/stat", child())).unwrap_or_default();
        wchan
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim().starts_with('S'))
    });
    answers(&mut neighbour);
    let mut bytes = vec![0; 1 << 20];
    let mut output = app.output();
    for _ in 0..64 {
        output.read_exact(&mut bytes).unwrap();
    }
    end(app);
    end(neighbour);
}

/// Attack 58.
fn closed_descriptors_change_nothing(stage: &Stage) {
    let mut app =
        stage.start(&stage.python("os.close(0); os.close(1); os.close(2); signal.pause()"));
    let mut rest = String::new();
    // Its output ends while it lives.
    app.output().read_to_string(&mut rest).unwrap();
    assert_eq!(app.shim().status().unwrap().ended, None);
    assert!(!wait_readable(app.shim().wait_fd().as_raw_fd(), 0));
    app.shim().signal(libc::SIGUSR1).unwrap();
    assert_eq!(app.finish(), Ended::Signal(libc::SIGUSR1));
}

/// Attack 59, as far as the shim: the grace and R12 are the machine's.
fn what_will_not_end_is_ended(stage: &Stage) {
    let deaf = "
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
say('up')
while True: time.sleep(600)
";
    let mut app = stage.up(&stage.python(deaf));
    for number in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        app.shim().signal(number).unwrap();
    }
    assert_eq!(app.shim().status().unwrap().ended, None);
    end(app);
}

/// Attack 60.
fn what_is_left_running_ends_with_its_process(stage: &Stage) {
    let script = "
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid(); signal.signal(signal.SIGHUP, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.close(0); os.close(1); os.close(2)
            while True: signal.pause()
        os._exit(0)
    os.wait()
say('up'); sys.exit(7) if sys.stdin.read() else None
time.sleep(0.2); sys.exit(7)
";
    let mut app = stage.up(&stage.python(script));
    let init = app.shim().status().unwrap().init_pid;
    assert_eq!(app.wait(), Ended::Code(7));
    assert_eq!(processes_below(init), 0);
    app.finish();
}

/// Attack 62.
fn a_process_that_stops_itself_can_be_ended(stage: &Stage) {
    let script = "say('up')\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)";
    for (number, expected) in [
        (libc::SIGTERM, libc::SIGTERM),
        (libc::SIGKILL, libc::SIGKILL),
    ] {
        let mut app = stage.up(&stage.python(script));
        assert_eq!(app.shim().status().unwrap().ended, None);
        app.shim().signal(number).unwrap();
        assert_eq!(app.finish(), Ended::Signal(expected));
    }
}

/// Attack 63: many more than there may be tasks.
fn zombies_are_buried(stage: &Stage) {
    let limits = Limits {
        tasks: Some(40),
        ..Limits::default()
    };
    let script = "
made = 0
while made < 2000:
    try: pid = os.fork()
    except OSError: time.sleep(0.001); continue
    if pid == 0:
        try: os.fork()
        finally: os._exit(0)
    os.waitpid(pid, 0); made += 1
others = lambda: len([p for p in os.listdir('/proc') if p.isdigit()]) - 1
deadline = time.monotonic() + 60
while others() and time.monotonic() < deadline: time.sleep(0.01)
say(made, others())
";
    assert_eq!(
        stage.prints(&limited(stage.python(script), limits)),
        "2000 0\n"
    );
}

/// Attack 64: how much slower neighbours get is the disk's affair; that they go on is ours.
fn a_storm_of_syncs_stops_no_neighbour(stage: &Stage) {
    let mut neighbour = answering(stage);
    let script = "
f = open('/tmp/f', 'wb'); say('up')
while True: f.write(b'x'); f.flush(); os.fsync(f.fileno()); os.sync(); f.seek(0)
";
    let mut app = stage.up(&stage.python(script));
    for _ in 0..20 {
        answers(&mut neighbour);
    }
    assert_eq!(stage.prints(&stage.shell("echo starts")), "starts\n");
    assert_eq!(app.shim().status().unwrap().ended, None);
    end(app);
    end(neighbour);
}

/// Attack 65, as far as the kernel: what a user may set is bounded long before.
fn too_large_an_environment_is_refused_by_name(stage: &Stage) {
    let mut many = stage.python("say(len(os.environ))");
    many.env
        .extend((0..10_000).map(|n| (format!("V{n}"), "x".into())));
    let printed = stage.prints(&many);
    assert!(
        printed.trim().parse::<u32>().unwrap() >= 10_000,
        "{printed}"
    );
    let big = || "x".repeat(100 << 10);
    let mut in_all = stage.shell("true");
    in_all
        .env
        .extend((0..100).map(|n| (format!("V{n}"), big())));
    let mut at_once = stage.shell("true");
    at_once.env.push(("BIG".into(), "x".repeat(3 << 20)));
    let mut arguments = stage.shell("true");
    arguments.argv.extend((0..100).map(|_| big()));
    for spec in [in_all, at_once, arguments] {
        let Err(error) = stage.ground.start(&spec) else {
            panic!("it started")
        };
        let story = story(&error);
        assert!(
            story.contains("Argument list too long") || story.contains("large"),
            "{story}"
        );
    }
}
