//! What a process can and cannot do inside its walls: the app does X, expected Y.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::common::{Ground, can_run, layers, shell};
use noon_sandbox::{AppDir, Bind, Ended, Spec, Upper};

/// One attack in shell: it must print exactly this.
type Attack = (&'static str, &'static str, &'static str);

fn check(attacks: &[Attack]) {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    for (name, script, expected) in attacks {
        let (output, _) = ground.run(script);
        assert_eq!(output.trim_end(), *expected, "{name}");
    }
}

#[test]
fn files_outside_the_app_stay_as_they_are() {
    check(&[
        (
            "writes the stack",
            "touch /usr/x /bin/x /etc/x /x /dev/x /run/x /sys/x 2>&1 | grep -c Read-only",
            "7",
        ),
        (
            "appends to passwd",
            "(echo x >> /etc/passwd) 2>/dev/null || echo refused",
            "refused",
        ),
        (
            "lists private places",
            "ls -d /root /home /work /etc/shadow /boot /var/lib/dpkg 2>/dev/null; echo none",
            "none",
        ),
        (
            "walks upwards",
            "cd /../../..; pwd; ls -d work root 2>/dev/null; echo none",
            "/\nnone",
        ),
        (
            "looks below its own /tmp",
            "ls -A /tmp /dev/shm",
            "/dev/shm:\n\n/tmp:",
        ),
        (
            "opens the machine's devices",
            "ls -d /dev/mem /dev/kmsg /dev/vda /dev/kvm /dev/fuse /dev/net /dev/loop0 2>/dev/null; echo none",
            "none",
        ),
        (
            "makes a device",
            "mknod /tmp/d b 254 0 2>/dev/null; mknod /tmp/c c 1 3 2>/dev/null; ls /tmp; echo none",
            "none",
        ),
        (
            "keeps the harmless devices",
            "echo x > /dev/null; head -c3 /dev/zero | wc -c; head -c3 /dev/urandom | wc -c; ls /dev/fd/0",
            "3\n3\n/dev/fd/0",
        ),
        (
            "uses a setuid copy",
            "cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u",
            "200001",
        ),
        (
            "runs su",
            "su root -c id 2>/dev/null; sudo -n id 2>/dev/null; echo refused",
            "refused",
        ),
        (
            "writes its own places",
            "touch /app/x /tmp/x /dev/shm/x /var/tmp/y && ls /app /tmp",
            "/app:\nx\n\n/tmp:\nx\ny",
        ),
        (
            "knows itself",
            "id -un; hostname; cat /etc/hostname; echo ~; getent hosts web-1 | tr -s ' '",
            "app\nweb-1\nweb-1\n/app\n127.0.1.1 web-1",
        ),
    ]);
}

#[test]
fn proc_shows_and_changes_nothing_of_the_machine() {
    check(&[
        ("counts processes", "set -- /proc/[0-9]*; echo $#", "1"),
        (
            "has no foreign descriptors",
            "exec python3 -c 'import os\nfor n in range(1024):\n  try: print(n, os.readlink(f\"/proc/self/fd/{n}\").split(\":\")[0])\n  except OSError: pass'",
            "0 /dev/null\n1 pipe\n2 pipe",
        ),
        (
            "reads init",
            "for f in environ mem maps root/x cwd/x fd exe ns/mnt; do cat /proc/1/$f 2>/dev/null; done; echo denied",
            "denied",
        ),
        (
            "reads kernel memory",
            "head -c1 /proc/kcore 2>/dev/null | wc -c; head -c1 /proc/kmsg 2>/dev/null | wc -c; cat /proc/keys /proc/timer_list | wc -c",
            "0\n0\n0",
        ),
        (
            "writes kernel settings",
            "for f in kernel/core_pattern vm/drop_caches user/max_user_namespaces net/ipv4/ip_forward; do (echo 0 > /proc/sys/$f) 2>/dev/null && echo wrote $f; done; (echo b > /proc/sysrq-trigger) 2>/dev/null && echo wrote; echo denied",
            "denied",
        ),
        (
            "lowers its score",
            "(echo -1000 > /proc/self/oom_score_adj) 2>/dev/null || echo denied",
            "denied",
        ),
        (
            "reaches cgroups",
            "find /sys -type f -writable 2>/dev/null | wc -l",
            "0",
        ),
        (
            "signals init",
            "kill -9 1 2>/dev/null; kill -TERM 1 2>/dev/null; echo alive",
            "alive",
        ),
        (
            "is where it thinks",
            "pwd; readlink /proc/self/cwd",
            "/app\n/app",
        ),
        (
            "finds the settings read-only",
            "awk '$5 == \"/proc/sys\" || $5 == \"/proc/irq\" { print substr($6, 1, 2) }' /proc/self/mountinfo",
            "ro\nro",
        ),
        (
            "sees its own cgroups only",
            "grep -c noon /proc/self/cgroup",
            "0",
        ),
    ]);
}

#[test]
fn privileges_are_gone_for_good() {
    check(&[
        (
            "has none",
            "grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
            "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2",
        ),
        ("has no groups", "id -G", "200001"),
        (
            "becomes root",
            "python3 -c 'import os; os.setuid(0)' 2>&1 | tail -1 | grep -o PermissionError",
            "PermissionError",
        ),
        ("dumps no core", "ulimit -c; ulimit -Hc", "0\n0"),
        (
            "is niced up",
            "nice -n -20 true 2>&1 | grep -c 'Permission denied'; chrt -f 1 true 2>/dev/null || echo refused",
            "1\nrefused",
        ),
    ]);
}

/// Each line calls the kernel and prints the error's name, or OK.
const CALLS: &str = r#"
import ctypes, errno, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    ctypes.set_errno(0)
    got = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    print(name, "OK" if got >= 0 else errno.errorcode[ctypes.get_errno()])
def sock(name, *args):
    try: socket.socket(*args); print(name, "OK")
    except OSError as e: print(name, errno.errorcode[e.errno])
call("mount", 165, b"none", b"/tmp", b"tmpfs", 0, 0)
call("remount", 165, b"", b"/", b"", 0x20, 0)
call("umount", 166, b"/proc", 2)
call("unshare-user", 272, 0x10000000)
call("unshare-mount", 272, 0x20000)
call("clone-user", 56, 0x10000000 | 17, 0, 0, 0, 0)
call("clone3", 435, 0, 0)
call("setns", 308, 0, 0)
call("chroot", 161, b"/tmp")
call("pivot_root", 155, b"/tmp", b"/tmp")
call("fsopen", 430, b"tmpfs", 0)
call("open_tree", 428, -100, b"/", 1)
call("move_mount", 429, -100, b"/", -100, b"/tmp", 0)
call("mount_setattr", 442, -100, b"/", 0, 0, 0)
call("ptrace", 101, 16, 1, 0, 0)
call("process_vm_readv", 310, 1, 0, 0, 0, 0, 0)
call("pidfd_getfd", 438, 0, 0, 0)
call("open_by_handle_at", 304, -100, 0, 0)
call("name_to_handle_at", 303, -100, b"/", 0, 0, 0)
call("bpf", 321, 0, 0, 0)
call("perf_event_open", 298, 0, 0, 0, 0, 0)
call("userfaultfd", 323, 0)
call("io_uring_setup", 425, 1, 0)
call("add_key", 248, 0, 0, 0, 0, 0)
call("keyctl", 250, 0, 0)
call("personality", 135, 0x40000)
call("reboot", 169, 0, 0, 0, 0)
call("kexec_load", 246, 0, 0, 0, 0)
call("swapon", 167, b"/tmp", 0)
call("init_module", 175, 0, 0, 0)
call("acct", 163, 0)
call("settimeofday", 164, 0, 0)
call("sethostname", 170, b"x", 1)
call("syslog", 103, 3, 0, 0)
call("x32", 0x40000000 + 39)
call("unknown", 499)
call("tiocsti", 16, 0, 0x5412, 0)
call("tioclinux", 16, 0, 0x541c, 0)
sock("vsock", 40, 1)
sock("packet", 17, 3)
sock("alg", 38, 5)
sock("raw", 2, 3, 1)
sock("bluetooth", 31, 1)
sock("netlink-audit", 16, 3, 9)
sock("inet", 2, 1)
sock("inet6", 10, 1)
sock("unix", 1, 1)
sock("netlink-route", 16, 3, 0)
call("setuid-0", 105, 0)
call("getpid", 39)
"#;

const ANSWERS: &str = "mount EPERM\nremount EPERM\numount EPERM\nunshare-user EPERM\n\
unshare-mount EPERM\nclone-user EPERM\nclone3 ENOSYS\nsetns EPERM\nchroot EPERM\npivot_root EPERM\n\
fsopen EPERM\nopen_tree EPERM\nmove_mount EPERM\nmount_setattr EPERM\nptrace EPERM\n\
process_vm_readv EPERM\npidfd_getfd EPERM\nopen_by_handle_at EPERM\nname_to_handle_at EPERM\n\
bpf EPERM\nperf_event_open EPERM\nuserfaultfd EPERM\nio_uring_setup EPERM\nadd_key EPERM\n\
keyctl EPERM\npersonality EPERM\nreboot EPERM\nkexec_load EPERM\nswapon EPERM\ninit_module EPERM\n\
acct EPERM\nsettimeofday EPERM\nsethostname EPERM\nsyslog EPERM\nx32 EPERM\nunknown ENOSYS\n\
tiocsti EPERM\ntioclinux EPERM\nvsock EPERM\npacket EPERM\nalg EPERM\nraw EPERM\n\
bluetooth EPERM\nnetlink-audit EPERM\ninet OK\ninet6 OK\nunix OK\nnetlink-route OK\n\
setuid-0 EPERM\ngetpid OK\n";

#[test]
#[cfg(target_arch = "x86_64")]
fn dangerous_system_calls_are_refused() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut spec = shell("");
    spec.argv = vec!["python3".into(), "-c".into(), CALLS.into()];
    let (output, ended) = ground.run_spec(&spec);
    assert_eq!(output, ANSWERS);
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn the_network_is_empty_but_for_loopback() {
    check(&[
        (
            "lists interfaces",
            "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | grep -vE 'tunl0|sit0|ip6tnl0|gre'",
            "lo",
        ),
        (
            "reaches the metadata service",
            "timeout 2 bash -c '</dev/tcp/169.254.169.254/80' 2>&1 | grep -o unreachable | head -1",
            "unreachable",
        ),
        (
            "talks to itself",
            "python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 8080)); socket.create_connection((\"127.0.0.1\", 8080)); print(\"ok\")' 2>&1 | tail -1 | grep -o 'ok\\|Permission denied'",
            "ok",
        ),
    ]);
}

#[test]
fn what_is_written_is_lost_and_seen_by_nobody_else() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let layer = ground.make_dir("layer");
    std::fs::write(layer.join("kept"), "original").unwrap();
    let spec = |script: &str| layers(shell(script), &[&layer]);
    let mut first = ground
        .start(&spec(
            "echo mine > /app/mine; echo mine > /tmp/mine; echo changed > kept; echo up; sleep 100",
        ))
        .unwrap();
    assert_eq!(crate::common::read_line(&mut first.output()), "up");
    let look = "cat kept; ls /app /tmp; set -- /proc/[0-9]*; echo $#";
    assert_eq!(
        ground.run_spec(&spec(look)).0,
        "original/app:\nkept\n\n/tmp:\n1\n"
    );
    first.shim().kill().unwrap();
    first.finish();
    assert_eq!(
        ground.run_spec(&spec(look)).0,
        "original/app:\nkept\n\n/tmp:\n1\n"
    );
    assert_eq!(
        std::fs::read_to_string(layer.join("kept")).unwrap(),
        "original"
    );
}

#[test]
fn an_app_changes_its_own_tree_as_its_owner() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let (low, high) = (ground.make_dir("layers/aa"), ground.make_dir("layers/bb"));
    std::fs::create_dir(low.join("lib")).unwrap();
    std::fs::write(low.join("lib/mod.py"), "print('imported')\n").unwrap();
    std::fs::write(low.join("both"), "low").unwrap();
    std::fs::write(high.join("both"), "high").unwrap();
    std::fs::write(low.join("secret"), "closed").unwrap();
    std::fs::set_permissions(low.join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    let script =
        "cat both secret; echo; stat -c %U /app both lib; sed -i s/high/new/ both; cat both; echo
        PYTHONPATH=lib python3 -c 'import mod'; ls lib/__pycache__ | wc -l
        rm both; mv lib other 2>&1; mkdir lib2; chmod 700 secret; ls";
    let (output, _) = ground.run_spec(&layers(shell(script), &[&low, &high]));
    assert_eq!(
        output,
        "highclosed\napp\napp\napp\nnew\nimported\n1\nlib2\nother\nsecret\n"
    );
    assert_eq!(std::fs::read_to_string(high.join("both")).unwrap(), "high");
    assert!(!low.join("lib/__pycache__").exists());
}

#[test]
fn a_build_s_layer_and_cache_stay_and_belong_to_their_owner() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let (layer, cache) = (ground.make_dir("layer"), ground.make_dir("cache"));
    std::fs::write(layer.join("source"), "x").unwrap();
    let top = Upper {
        upper: ground.make_dir("build/upper"),
        work: ground.make_dir("build/work"),
    };
    let app = AppDir {
        layers: vec![layer.clone()],
        upper: Some(top.clone()),
    };
    let mounts = vec![
        Bind {
            source: cache.clone(),
            target: "/cache".into(),
            writable: true,
        },
        Bind {
            source: layer.clone(),
            target: "/buildpack/here".into(),
            writable: false,
        },
        Bind {
            source: layer.join("source"),
            target: "/app/deep/file".into(),
            writable: false,
        },
    ];
    let script =
        "set -e; echo made > made; mkdir d; echo y >> source; echo c > /cache/c; mkdir /cache/d
        cat /buildpack/here/source /app/deep/file; stat -c %U made d /cache /cache/c
        (echo z > /buildpack/here/z) 2>&1 | grep -o Read-only; rm -f gone";
    let build = Spec {
        app,
        mounts,
        ..shell(script)
    };
    let (output, ended) = ground.run_spec(&build);
    assert_eq!(output, "xxapp\napp\napp\napp\nRead-only\n");
    assert_eq!(ended, Ended::Code(0));
    assert_eq!(
        std::fs::read_to_string(top.upper.join("made")).unwrap(),
        "made\n"
    );
    assert_eq!(
        std::fs::read_to_string(top.upper.join("source")).unwrap(),
        "xy\n"
    );
    assert_eq!(std::fs::read_to_string(layer.join("source")).unwrap(), "x");
    for path in [
        top.upper.join("made"),
        top.upper.join("d"),
        cache.join("c"),
        cache.join("d"),
    ] {
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 0, "{path:?}");
    }
    // Another build by another user finds what the first left.
    let again = Spec {
        uid: 200_777,
        ..build
    };
    let again = Spec {
        argv: shell("rm /cache/c && echo two >> made && cat made").argv,
        ..again
    };
    assert_eq!(ground.run_spec(&again).0, "made\ntwo\n");
    let run = Spec {
        uid: 200_003,
        ..layers(shell("cat made source"), &[&layer, &top.upper])
    };
    assert_eq!(ground.run_spec(&run).0, "made\ntwo\nxy\n");
}

#[test]
fn a_mount_point_never_follows_the_app_s_links() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let layer = ground.make_dir("layer");
    std::os::unix::fs::symlink("/etc", layer.join("link")).unwrap();
    let bind = |target: &str| Bind {
        source: layer.clone(),
        target: target.into(),
        writable: false,
    };
    let spec = |target| Spec {
        mounts: vec![bind(target)],
        ..layers(shell("true"), &[&layer])
    };
    for target in ["/app/link/ssl", "/app/link"] {
        let Err(error) = ground.start(&spec(target)) else {
            panic!("{target} was mounted")
        };
        assert!(
            crate::common::story(&error).contains(target),
            "{}",
            crate::common::story(&error)
        );
    }
    for target in ["/etc/x", "/usr/x", "/app", "/", "relative", "/a/../etc"] {
        let Err(error) = ground.start(&spec(target)) else {
            panic!("{target} was mounted")
        };
        assert!(
            error.to_string().contains("nothing can be mounted"),
            "{error}"
        );
    }
}

#[test]
fn neighbours_cannot_signal_each_other() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let mut neighbour = ground
        .start(&shell("echo up; sleep 0.3; echo still"))
        .unwrap();
    let mut output = neighbour.output();
    assert_eq!(crate::common::read_line(&mut output), "up");
    // The same number outside, the worst case.
    ground.run("kill -9 -1; true");
    assert_eq!(crate::common::read_line(&mut output), "still");
    assert_eq!(neighbour.finish(), Ended::Code(0));
}

#[test]
fn strange_names_do_no_harm() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let layer = ground.make_dir("a:b,c\\d");
    std::fs::write(layer.join("here"), "x").unwrap();
    assert_eq!(
        ground.run_spec(&layers(shell("cat here"), &[&layer])).0,
        "x"
    );
    let deep =
        "for i in $(seq 300); do mkdir d && cd d; done; printf '\\377\\n' > $'\\377\\n..'; echo ok";
    assert_eq!(
        ground
            .run_spec(&layers(shell(deep), &[Path::new(&layer)]))
            .0,
        "ok\n"
    );
}
