//! Attacks 27 to 38: namespaces, privileges and system calls.

use std::fs::File;
use std::io::Read;

use noon_sandbox::{Limits, PtySize, Spec, Stdio, launch, open_pty};

use crate::common::{layers, program, read_line, story, wait_readable};
use crate::stage::{Stage, assert_lines};

attacks!(
    namespaces_cannot_be_made,
    other_doors_to_the_kernel_are_shut,
    namespaces_cannot_be_entered,
    no_other_process_can_be_looked_into,
    nobody_else_can_be_signalled,
    privileges_are_gone_for_good,
    dangerous_system_calls_are_refused,
    nothing_is_typed_into_a_terminal,
    nobody_gets_ahead_of_the_others,
    programs_that_give_privileges_give_none,
    filters_of_its_own_harm_only_itself,
    a_program_from_memory_is_still_inside,
);

/// Attack 27.
fn namespaces_cannot_be_made(stage: &Stage) {
    stage.attack(
        r#"
kinds = {"time": 0x80, "mount": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000}
for name, flag in kinds.items(): call("unshare " + name, 272, flag)
for name, flag in kinds.items():
    if name != "time": call("clone " + name, 56, flag | 17, 0, 0, 0, 0)
call("clone user+mount", 56, 0x10020000 | 17, 0, 0, 0, 0)
args = struct.pack("8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
call("clone3 user", 435, args, 64)
call("clone3", 435, struct.pack("8Q", 0, 0, 0, 0, 17, 0, 0, 0), 64)
"#,
        "unshare time EPERM\nunshare mount EPERM\nunshare cgroup EPERM\nunshare uts EPERM\n\
         unshare ipc EPERM\nunshare user EPERM\nunshare pid EPERM\nunshare net EPERM\n\
         clone mount EPERM\nclone cgroup EPERM\nclone uts EPERM\nclone ipc EPERM\nclone user EPERM\n\
         clone pid EPERM\nclone net EPERM\nclone user+mount EPERM\nclone3 user ENOSYS\nclone3 ENOSYS",
    );
}

/// Attack 28: the numbers of x32, and the gate of 32-bit programs.
#[cfg(target_arch = "x86_64")]
fn other_doors_to_the_kernel_are_shut(stage: &Stage) {
    stage.attack(
        r#"
X32 = 0x40000000
call("getpid", X32 + 39)
call("unshare", X32 + 272, 0x10000000)
call("clone", X32 + 56, 0x10000000 | 17, 0, 0, 0, 0)
call("mount", X32 + 165, b"none", b"/tmp", b"tmpfs", 0, 0)
call("ptrace", X32 + 521, 0, 0, 0, 0)
call("negative", -1)
def gate(number, first):
    # mov eax, number; mov ebx, first; int 0x80; ret
    code = b"\xb8" + struct.pack("<I", number) + b"\xbb" + struct.pack("<I", first) + b"\xcd\x80\xc3"
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(code)
    pid = os.fork()
    if pid == 0:
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "OK"
say("getpid", gate(20, 0)); say("unshare", gate(310, 0x10000000)); say("socketcall", gate(102, 1))
"#,
        "getpid EPERM\nunshare EPERM\nclone EPERM\nmount EPERM\nptrace EPERM\nnegative EPERM\n\
         getpid SIGSYS\nunshare SIGSYS\nsocketcall SIGSYS",
    );
}

/// Attack 28: this architecture has no such doors.
#[cfg(not(target_arch = "x86_64"))]
fn other_doors_to_the_kernel_are_shut(stage: &Stage) {
    stage.attack("say('none')", "none");
}

/// Attack 29.
fn namespaces_cannot_be_entered(stage: &Stage) {
    stage.attack(
        r#"
for kind in ["mnt", "pid", "net", "user", "ipc", "uts", "cgroup"]:
    try: os.open("/proc/1/ns/" + kind, os.O_RDONLY); say(kind, "OPEN")
    except OSError: pass
    call(kind, 308, os.open("/proc/self/ns/" + kind, os.O_RDONLY), 0)
fd = raw(434, 1, 0)
call("pidfd", 308, fd, 0x20000)
call("own pidfd", 308, raw(434, os.getpid(), 0), 0x20000 | 0x10000000)
"#,
        "mnt EPERM\npid EPERM\nnet EPERM\nuser EPERM\nipc EPERM\nuts EPERM\ncgroup EPERM\npidfd EPERM\nown pidfd EPERM",
    );
}

/// Attack 30.
fn no_other_process_can_be_looked_into(stage: &Stage) {
    stage.attack(
        r#"
child = subprocess.Popen(["sleep", "100"])
for who, pid in [("init", 1), ("child", child.pid)]:
    call("attach " + who, 101, 16, pid, 0, 0)
    call("seize " + who, 101, 0x4206, pid, 0, 0)
    call("read " + who, 310, pid, 0, 0, 0, 0, 0)
    call("write " + who, 311, pid, 0, 0, 0, 0, 0)
    call("getfd " + who, 438, raw(434, pid, 0), 0, 0)
call("traceme", 101, 0, 0, 0, 0)
call("kcmp", 312, 1, os.getpid(), 0, 0, 0)
tries("mem", lambda: os.open("/proc/1/mem", os.O_RDWR) and None)
child.kill()
"#,
        "attach init EPERM\nseize init EPERM\nread init EPERM\nwrite init EPERM\ngetfd init EPERM\n\
         attach child EPERM\nseize child EPERM\nread child EPERM\nwrite child EPERM\ngetfd child EPERM\n\
         traceme EPERM\nkcmp EPERM\nmem ENOENT",
    );
}

/// Attack 31: of three numbers that are the same outside, the worst case.
fn nobody_else_can_be_signalled(stage: &Stage) {
    let of_other = stage.up(&Spec {
        uid: stage.uid + 1,
        ..stage.python("say('up'); signal.pause()")
    });
    let of_same = stage.up(&stage.python("say('up'); signal.pause()"));
    let mut others = [of_other, of_same];
    let pids = others
        .each_mut()
        .map(|one| one.shim().status().unwrap().init_pid);
    let script = format!(
        r#"
def kill(name, pid, number):
    try: os.kill(pid, number); say(name, "OK")
    except OSError as e: say(name, errno.errorcode[e.errno])
for number in [signal.SIGKILL, signal.SIGSTOP]:
    try: os.kill(1, number)
    except OSError: pass
kill("other", {}, 9); kill("same", {}, 9)
try: os.kill(-1, signal.SIGKILL)
except OSError: pass
say("alive"); sys.exit(3)
"#,
        pids[0], pids[1]
    );
    let (printed, ended) = stage.ground.run_spec(&stage.python(&script));
    assert_lines(&printed, "other ESRCH\nsame ESRCH\nalive");
    // Init lived to tell of it.
    assert_eq!(ended, noon_sandbox::Ended::Code(3));
    for mut other in others {
        assert_eq!(other.shim().status().unwrap().ended, None);
        other.shim().kill().unwrap();
        other.finish();
    }
}

/// Attack 32.
fn privileges_are_gone_for_good(stage: &Stage) {
    let uid = stage.uid;
    stage.attack(
        r#"
for name, number, args in [("setuid", 105, (0,)), ("setgid", 106, (0,)), ("setreuid", 113, (0, 0)), ("setresuid", 117, (0, 0, 0)), ("setresgid", 119, (0, 0, 0)), ("setgroups", 116, (1, struct.pack("I", 0)))]:
    got = raw(number, *args); say(name, got != 0)
raw(122, 0); raw(123, 0)
say(os.getresuid(), os.getresgid(), os.getgroups())
wanted = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
for line in open("/proc/self/status"):
    if line.split(":")[0] in wanted: say(*line.split())
header, data = struct.pack("II", 0x20080522, 0), struct.pack("6I", *[0xffffffff] * 6)
call("capset", 126, header, data)
say(libc.prctl(47, 2, 0, 0, 0), libc.prctl(38, 0, 0, 0, 0), libc.prctl(28, 0, 0, 0, 0))
"#,
        &format!(
            "setuid True\nsetgid True\nsetreuid True\nsetresuid True\nsetresgid True\nsetgroups True\n\
             ({uid}, {uid}, {uid}) ({uid}, {uid}, {uid}) []\nCapInh: 0000000000000000\n\
             CapPrm: 0000000000000000\nCapEff: 0000000000000000\nCapBnd: 0000000000000000\n\
             CapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\ncapset EPERM\n-1 -1 -1"
        ),
    );
}

/// Attack 33.
#[cfg(target_arch = "x86_64")]
fn dangerous_system_calls_are_refused(stage: &Stage) {
    stage.attack(
        r#"
calls = {"bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "add_key": 248, "request_key": 249, "keyctl": 250, "reboot": 169, "kexec_load": 246, "kexec_file_load": 320, "swapon": 167, "swapoff": 168, "init_module": 175, "finit_module": 313, "delete_module": 176, "acct": 163, "settimeofday": 164, "clock_settime": 227, "sethostname": 170, "setdomainname": 171, "syslog": 103, "quotactl": 179, "nfsservctl": 180, "lookup_dcookie": 212, "iopl": 172, "ioperm": 173, "vhangup": 153, "uselib": 134, "ustat": 136, "sysfs": 139, "_sysctl": 156, "migrate_pages": 256, "move_pages": 279, "modify_ldt": 154, "fanotify_init": 300}
for name, number in calls.items():
    got = raw(number, 0, 0, 0, 0, 0, 0)
    if got >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS): say(name, got, ctypes.get_errno())
for name in ["bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "add_key", "keyctl", "reboot", "kexec_load", "swapon", "init_module", "acct", "settimeofday", "sethostname", "syslog"]:
    call(name, calls[name], 0, 0, 0, 0, 0, 0)
call("personality", 135, 0x40000)
call("unknown", 499)
"#,
        "bpf EPERM\nperf_event_open EPERM\nuserfaultfd EPERM\nio_uring_setup EPERM\nadd_key EPERM\n\
         keyctl EPERM\nreboot EPERM\nkexec_load EPERM\nswapon EPERM\ninit_module EPERM\nacct EPERM\n\
         settimeofday EPERM\nsethostname EPERM\nsyslog EPERM\npersonality EPERM\nunknown ENOSYS",
    );
}

/// Attack 33: the numbers are those of x86-64.
#[cfg(not(target_arch = "x86_64"))]
fn dangerous_system_calls_are_refused(stage: &Stage) {
    stage.attack("say('none')", "none");
}

/// Attack 34.
fn nothing_is_typed_into_a_terminal(stage: &Stage) {
    let pty = open_pty(PtySize { rows: 24, cols: 80 }).unwrap();
    let script = r#"
say(os.ttyname(0), os.isatty(0), os.path.exists("/dev/pts/0"))
call("type", 16, 0, 0x5412, ctypes.addressof(ctypes.c_char(b"x")))
call("linux", 16, 0, 0x541c, ctypes.addressof(ctypes.c_char(b"\x02")))
# The number of the call is looked at in its low word only, here as in the kernel.
call("high", 16, 0, 0x100005412, ctypes.addressof(ctypes.c_char(b"x")))
call("size", 16, 0, 0x5413, ctypes.addressof(ctypes.create_string_buffer(8)))
"#;
    let dir = stage.ground.shim_dir();
    let shim = launch(
        program(),
        &dir,
        &stage.python(script),
        Stdio::Terminal(pty.inner),
    );
    let mut shim = shim.unwrap_or_else(|error| panic!("{}", story(&error)));
    let mut terminal = File::from(pty.outer);
    let lines: Vec<String> = (0..5)
        .map(|_| read_line(&mut terminal).trim().to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            "/dev/console True False",
            "type EPERM",
            "linux EPERM",
            "high EPERM",
            "size OK"
        ]
    );
    // Nothing but what was printed came out, and nothing was echoed.
    let mut rest = Vec::new();
    let _ = terminal.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    assert!(wait_readable(
        std::os::fd::AsRawFd::as_raw_fd(&shim.wait_fd()),
        30_000
    ));
    assert!(shim.status().unwrap().ended.is_some());
    shim.dismiss().unwrap();
}

/// Attack 35.
fn nobody_gets_ahead_of_the_others(stage: &Stage) {
    let spec = Spec {
        limits: Limits {
            nofile: Some(64),
            ..Limits::default()
        },
        ..stage.python(
            r#"
for name, policy in [("fifo", 1), ("round-robin", 2)]:
    tries(name, lambda: os.sched_setscheduler(0, policy, os.sched_param(1)))
call("deadline", 314, 0, struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 10**7, 10**7, 10**7), 0)
before = os.getpriority(0, 0)
try: os.setpriority(0, 0, -20)
except OSError as e: say("nice", errno.errorcode[e.errno])
say(os.getpriority(0, 0) >= before)
call("ionice", 251, 1, 0, (1 << 13) | 0)
for name in ["NOFILE", "CORE", "NICE", "RTPRIO"]:
    which = getattr(resource, "RLIMIT_" + name, {"NICE": 13, "RTPRIO": 14}.get(name))
    soft, hard = resource.getrlimit(which)
    try: resource.setrlimit(which, (hard + 1, hard + 1)); say(name, "OK")
    except (OSError, ValueError): say(name, "refused")
"#,
        )
    };
    let printed = stage.prints(&spec);
    let expected = "fifo EPERM\nround-robin EPERM\ndeadline EPERM\nnice EACCES\nTrue\nionice EPERM\n\
                    NOFILE refused\nCORE refused\nNICE refused\nRTPRIO refused";
    assert_lines(&printed, expected);
}

/// Attack 36.
fn programs_that_give_privileges_give_none(stage: &Stage) {
    let script = r#"
def runs(*words):
    try: done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except FileNotFoundError: return "absent"
    return "root" if b"uid=0" in done.stdout or done.stdout.strip() == b"0" else "refused"
for words in [("su", "-c", "id"), ("su", "root", "-c", "id"), ("sudo", "-n", "id"), ("pkexec", "id"), ("newgrp", "root"), ("runuser", "-u", "root", "--", "id"), ("setpriv", "--reuid=0", "id"), ("unshare", "-Ur", "id"), ("mount", "-t", "tmpfs", "x", "/tmp")]:
    if runs(*words) not in ("absent", "refused"): say(words)
found = [os.path.join(d, n) for d, _, ns in os.walk("/usr") for n in ns if os.path.isfile(os.path.join(d, n)) and os.stat(os.path.join(d, n)).st_mode & 0o6000]
flags = [l.split()[5] for l in open("/proc/self/mountinfo") if l.split()[4] == "/usr"]
say(all("nosuid" in f for f in flags), len(flags) > 0)
"#;
    stage.attack(script, "True True");
}

/// Attack 37: the kernel bounds them; whoever stacked them goes on, more slowly.
fn filters_of_its_own_harm_only_itself(stage: &Stage) {
    let script = r#"
# As long a program as may be, that allows everything.
steps = struct.pack("HBBI", 0, 0, 0, 0) * 4000 + struct.pack("HBBI", 6, 0, 0, 0x7fff0000)
class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
buffer = ctypes.create_string_buffer(steps, len(steps))
program = Program(4001, ctypes.addressof(buffer))
loaded = 0
while loaded < 100 and libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0: loaded += 1
say(0 <= loaded < 100, os.getpid() > 0)
call("mount", 165, b"none", b"/tmp", b"tmpfs", 0, 0)
"#;
    stage.attack(script, "True True\nmount EPERM");
    assert_eq!(stage.prints(&stage.shell("echo next")), "next\n");
}

/// Attack 38: allowed, for programs do so; the walls stay.
fn a_program_from_memory_is_still_inside(stage: &Stage) {
    let layer = stage.ground.make_dir("layer");
    let script = r#"
fd = os.memfd_create("program", 0)
os.write(fd, open("/usr/bin/grep", "rb").read())
os.execve(fd, ["grep", "-E", "^(NoNewPrivs|Seccomp|CapEff):", "/proc/self/status"], {})
"#;
    let printed = stage.prints(&layers(stage.python(script), &[&layer]));
    assert_lines(
        &printed,
        "CapEff:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2",
    );
}
