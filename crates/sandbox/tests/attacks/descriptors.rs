//! Attacks 16 to 26: descriptors, /proc, /sys and names of processes.

use std::os::fd::AsRawFd;

use noon_sandbox::{Ended, Limits, Spec};

use crate::common::{layers, story};
use crate::stage::{SECRET, Stage, assert_lines};

attacks!(
    no_descriptor_is_inherited,
    the_directory_is_inside_and_cannot_be_a_descriptor,
    init_is_closed,
    the_programs_of_the_platform_cannot_be_written,
    only_its_own_processes_are_seen,
    a_neighbour_and_its_secret_are_not_found,
    settings_of_the_kernel_cannot_be_written,
    memory_and_messages_of_the_kernel_are_hidden,
    sys_and_cgroups_cannot_be_written,
    a_crash_leaves_no_core,
    a_name_taken_in_vain_changes_nothing,
);

/// Attack 16.
fn no_descriptor_is_inherited(stage: &Stage) {
    let file = std::fs::File::open("/proc/self/status").unwrap();
    // SAFETY: the descriptor is open; this makes it one that children inherit.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) };
    stage.attack(
        r#"
for n in range(2048):
    try: say(n, os.readlink(f"/proc/self/fd/{n}").split(":")[0])
    except OSError: pass
tries("tty", lambda: os.open("/dev/tty", os.O_RDWR))
"#,
        "0 /dev/null\n1 pipe\n2 pipe\ntty ENXIO",
    );
}

/// Attack 17.
fn the_directory_is_inside_and_cannot_be_a_descriptor(stage: &Stage) {
    stage.attack(
        r#"
say(os.getcwd(), os.readlink("/proc/self/cwd"), os.readlink("/proc/self/root"))
say("unreachable" in open("/proc/self/mountinfo").read())
"#,
        "/app /app /\nFalse",
    );
    for cwd in [
        "/proc/self/fd/3",
        "/proc/self/fd/3/../..",
        "/proc/1/root",
        "app",
        "/app/../etc",
        "/app/fd",
    ] {
        let layer = stage.ground.make_dir("layer");
        let _ = std::os::unix::fs::symlink("/proc/self/fd/3", layer.join("fd"));
        let spec = Spec {
            cwd: cwd.into(),
            ..layers(stage.shell("pwd"), &[&layer])
        };
        let Err(error) = stage.ground.start(&spec) else {
            panic!("it started in {cwd}")
        };
        let story = story(&error);
        assert!(
            story.contains("cannot be the directory") || story.contains("starting in"),
            "{story}"
        );
    }
}

/// Attack 18.
fn init_is_closed(stage: &Stage) {
    assert_eq!(std::env::var("NOON_TEST_SECRET").unwrap(), SECRET.concat());
    let script = r#"
for name in ["environ", "mem", "maps", "smaps", "exe", "auxv", "stack", "syscall", "wchan", "io", "pagemap"]:
    try:
        fd = os.open("/proc/1/" + name, os.O_RDONLY)
        if os.read(fd, 64): say(name, "READ")
    except OSError as e: pass
for name in ["root", "cwd", "fd", "fdinfo", "map_files", "task/1/fd", "ns/mnt"]:
    try: say(name, os.listdir("/proc/1/" + name))
    except OSError: pass
    try: say(name, os.readlink("/proc/1/" + name))
    except OSError: pass
needle, found = ("HEAD" + "TAIL"), []
for place, _, names in os.walk("/proc"):
    for name in names:
        if name in ("environ", "cmdline", "auxv", "status", "comm", "mountinfo"):
            try:
                if needle in open(os.path.join(place, name), errors="replace").read(): found.append(place + name)
            except OSError: pass
say(found, needle in str(os.environ))
"#;
    let script = script.replace("HEAD", SECRET[0]).replace("TAIL", SECRET[1]);
    let script = script.replace(
        &SECRET.concat(),
        &format!("{}\" + \"{}", SECRET[0], SECRET[1]),
    );
    stage.attack(&script, "[] False");
}

/// Attack 19.
fn the_programs_of_the_platform_cannot_be_written(stage: &Stage) {
    stage.attack(
        r#"
for path in ["/proc/1/exe", "/proc/self/exe"]:
    for flags in [os.O_RDWR, os.O_WRONLY | os.O_TRUNC]:
        try: os.open(path, flags); say(path, "OPEN")
        except OSError as e: say(path, errno.errorcode[e.errno] in ("EACCES", "EPERM", "EROFS", "ETXTBSY", "ENOENT"))
say([m for m in open("/proc/self/maps").read().split() if "memfd" in m or "noon" in m])
"#,
        "/proc/1/exe True\n/proc/1/exe True\n/proc/self/exe True\n/proc/self/exe True\n[]",
    );
}

/// Attack 20.
fn only_its_own_processes_are_seen(stage: &Stage) {
    stage.attack(
        r#"
say([p for p in os.listdir("/proc") if p.isdigit()] == [str(os.getpid())], os.getppid() in (0, 1))
child = subprocess.Popen(["sleep", "100"])
say(len([p for p in os.listdir("/proc") if p.isdigit()]))
child.kill()
"#,
        "True True\n2",
    );
}

/// Attack 21.
fn a_neighbour_and_its_secret_are_not_found(stage: &Stage) {
    let secret = ("neighbours-", "secret-93ab");
    let holds = |uid: u32| {
        let mut spec = stage.python("say('up'); signal.pause()");
        spec.uid = uid;
        spec.env
            .push(("SECRET".into(), format!("{}{}", secret.0, secret.1)));
        stage.up(&spec)
    };
    // A neighbour of another app, and one of the same.
    let mut neighbours = [holds(stage.uid + 1), holds(stage.uid)];
    let pids = neighbours
        .each_mut()
        .map(|one| one.shim().status().unwrap().init_pid);
    let children = pids.map(|pid| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    });
    let numbers = pids.map(|pid| pid.to_string()).join(" ") + " " + &children.join(" ");
    let script = format!(
        r#"
for pid in "{numbers}".split():
    if os.path.exists("/proc/" + pid): say(pid, "is there")
needle, found = "{first}" + "{second}", []
for place, _, names in os.walk("/proc"):
    for name in names:
        if name in ("environ", "cmdline", "mem", "maps", "comm", "status", "keys", "locks", "net/unix"):
            try:
                if needle in open(os.path.join(place, name), errors="replace").read(1 << 20): found.append(place + name)
            except (OSError, ValueError): pass
say(found)
"#,
        first = secret.0,
        second = secret.1,
    );
    stage.attack(&script, "[]");
    for mut neighbour in neighbours {
        neighbour.shim().kill().unwrap();
        neighbour.finish();
    }
}

/// Attack 22. What is written equals what is there, should a wall be missing.
fn settings_of_the_kernel_cannot_be_written(stage: &Stage) {
    let core = std::fs::read("/proc/sys/kernel/core_pattern").unwrap();
    stage.attack(
        r#"
def writes(path, text=None):
    try:
        same = open(path).read() if text is None else text
        fd = os.open(path, os.O_WRONLY)
        os.write(fd, same.encode()); say(path, "WRITTEN")
    except OSError: pass
for name in ["kernel/core_pattern", "kernel/hostname", "kernel/modprobe", "kernel/sysrq", "kernel/randomize_va_space", "user/max_user_namespaces", "vm/overcommit_memory", "net/ipv4/ip_forward", "net/core/somaxconn", "fs/binfmt_misc/status", "fs/protected_hardlinks", "kernel/ns_last_pid"]:
    writes("/proc/sys/" + name)
writes("/proc/sys/vm/drop_caches", "0")
writes("/proc/sysrq-trigger", "h")
writes("/proc/self/oom_score_adj", "-1000")
writes("/proc/irq/default_smp_affinity")
writes("/proc/mtrr"); writes("/proc/scsi/scsi"); writes("/proc/latency_stats")
for name in ["uid_map", "gid_map", "setgroups", "timens_offsets", "loginuid", "attr/current"]:
    writes("/proc/self/" + name, "0 0 1\n")
# Not only because they are another's: the mounts themselves are read-only.
mounts = {l.split()[4]: l.split()[5].split(",")[0] for l in open("/proc/self/mountinfo")}
say({mounts.get("/proc/" + name) for name in ["sys", "irq", "bus", "fs", "sysrq-trigger"] if os.path.exists("/proc/" + name)})
"#,
        "{'ro'}",
    );
    assert_eq!(
        std::fs::read("/proc/sys/kernel/core_pattern").unwrap(),
        core
    );
}

/// Attack 23.
fn memory_and_messages_of_the_kernel_are_hidden(stage: &Stage) {
    stage.attack(
        r#"
for name in ["kcore", "kmsg", "keys", "timer_list", "config.gz", "sched_debug", "kpagecount", "kpageflags", "kpagecgroup", "vmallocinfo", "slabinfo", "latency_stats", "acpi", "scsi"]:
    try:
        path = "/proc/" + name
        if os.path.isdir(path):
            if os.listdir(path): say(name, os.listdir(path))
        else:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            if os.read(fd, 16): say(name, "READ")
    except OSError: pass
say([n for n in ["kcore", "keys", "timer_list", "kmsg", "config.gz"] if os.path.exists("/proc/" + n) and not stat.S_ISCHR(os.stat("/proc/" + n).st_mode)])
addresses = {line.split()[0] for line in open("/proc/kallsyms")} if os.path.exists("/proc/kallsyms") else set()
say([a for a in addresses if int(a, 16)][:1])
call("syslog", 103, 3, ctypes.addressof(ctypes.create_string_buffer(64)), 64)
"#,
        "[]\n[]\nsyslog EPERM",
    );
}

/// Attack 24.
fn sys_and_cgroups_cannot_be_written(stage: &Stage) {
    let spec = Spec {
        limits: Limits {
            memory: Some(256 << 20),
            tasks: Some(50),
            ..Limits::default()
        },
        ..stage.python(
            r#"
for place, dirs, names in os.walk("/sys"):
    for name in names:
        path = os.path.join(place, name)
        if os.path.islink(path): continue
        try: os.open(path, os.O_WRONLY); say(path, "OPEN")
        except OSError: pass
    for name in list(dirs):
        try: os.mkdir(os.path.join(place, name, "child")); say(place, name, "MADE")
        except OSError: pass
found = [p for p, _, n in os.walk("/sys") if "release_agent" in n]
for place in found: tries("agent", lambda: os.open(place + "/release_agent", os.O_WRONLY))
say([line.split(":")[2].strip() for line in open("/proc/self/cgroup") if "noon" in line])
"#,
        )
    };
    assert_lines(&stage.prints(&spec), "[]");
}

/// Attack 25. A limit of one byte also keeps the core from a program that `core_pattern` names.
fn a_crash_leaves_no_core(stage: &Stage) {
    let crash = stage.python(
        r#"
say(resource.getrlimit(resource.RLIMIT_CORE))
try: resource.setrlimit(resource.RLIMIT_CORE, (2, 2)); say("raised")
except (OSError, ValueError): say("refused")
pid = os.fork()
if pid == 0: ctypes.string_at(0)
_, status = os.waitpid(pid, 0)
say(os.WTERMSIG(status), os.WCOREDUMP(status), [n for n in os.listdir("/app") if "core" in n])
ctypes.string_at(0)
"#,
    );
    let (printed, ended) = stage.ground.run_spec(&crash);
    assert_eq!(ended, Ended::Signal(libc::SIGSEGV));
    assert_lines(&printed, "(1, 1)\nrefused\n11 False []");
}

/// Attack 26.
fn a_name_taken_in_vain_changes_nothing(stage: &Stage) {
    let pretend = r#"
libc.prctl(15, b"NAME", 0, 0, 0); say("up"); signal.pause()
"#;
    let named = |name: &str, uid: u32| {
        let mut spec = stage.python(&pretend.replace("NAME", name));
        spec.uid = uid;
        stage.up(&spec)
    };
    let mut escapes = named(r"\x1b[31mnoon", stage.uid);
    let mut shim = named("noon-shim", stage.uid + 1);
    let mut init = named("noon-init", stage.uid + 2);
    escapes.shim().signal(libc::SIGTERM).unwrap();
    assert_eq!(escapes.finish(), Ended::Signal(libc::SIGTERM));
    shim.shim().kill().unwrap();
    assert_eq!(shim.finish(), Ended::Signal(libc::SIGKILL));
    assert_eq!(
        init.shim().status().unwrap().ended,
        None,
        "one was ended by its name"
    );
    init.shim().kill().unwrap();
    init.finish();
}
