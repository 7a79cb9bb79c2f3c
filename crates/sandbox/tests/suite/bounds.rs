//! The second layer of the walls: what it alone refuses, and that it is in nobody's way.

use std::fs::File;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::common::{Ground, can_run, read_line, shell};
use noon_sandbox::{
    AppDir, Bind, Ended, Net, PtySize, Shim, Spec, Stdio, Upper, launch, open_pty, probe,
};

/// The version of Landlock here; says so where the layer is missing.
fn version() -> u32 {
    let probes = probe();
    let found = probes.iter().find(|probe| probe.name == "landlock");
    let version = found.and_then(|probe| probe.found.strip_prefix("ABI ")?.parse().ok());
    version.unwrap_or_else(|| {
        eprintln!("skipped: this kernel has no Landlock");
        0
    })
}

fn python(script: &str) -> Spec {
    Spec {
        argv: vec!["/usr/bin/python3".into(), "-uSEc".into(), script.into()],
        ..shell("")
    }
}

#[test]
fn what_is_the_app_s_own_in_proc_is_still_not_written() {
    if !can_run() || version() < 2 {
        return;
    }
    // The first layer allows all of these: they are the process's own.
    let script = "
for name in ['comm', 'oom_score_adj', 'coredump_filter', 'task/self/comm']:
    try: open(f'/proc/self/{name}'.replace('task/self', 'task/1'), 'w').write('1'); print('wrote', name)
    except OSError as e: print(type(e).__name__)
open('/proc/self/comm').read(); print('read')";
    let (text, _) = Ground::new().run_spec(&python(script));
    let refused = "PermissionError\n".repeat(3);
    assert!(
        text.starts_with(&refused) && text.ends_with("read\n"),
        "{text}"
    );
    assert!(!text.contains("wrote"), "{text}");
}

#[test]
fn an_abstract_socket_of_the_host_s_network_is_out_of_reach() {
    if !can_run() || version() < 6 {
        return;
    }
    let name = format!("noon-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let script = format!(
        "import socket
one = socket.socket(socket.AF_UNIX); one.bind('\\0own-{name}'); one.listen()
two = socket.socket(socket.AF_UNIX); two.connect('\\0own-{name}'); print('own')
three = socket.socket(socket.AF_UNIX)
try: three.connect('\\0{name}'); print('reached')
except PermissionError: print('refused')"
    );
    let spec = Spec {
        network: Net::Host,
        ..python(&script)
    };
    assert_eq!(Ground::new().run_spec(&spec).0, "own\nrefused\n");
}

const ORDINARY: &str = r#"
import os, socket, subprocess, mmap, shutil
def at(base):
    os.makedirs(base + '/a/deep'); os.makedirs(base + '/b')
    open(base + '/a/x', 'w').write('x' * 100)
    os.rename(base + '/a/x', base + '/b/y')
    os.link(base + '/b/y', base + '/a/z')
    os.rename(base + '/a/deep', base + '/b/deep')
    os.truncate(base + '/b/y', 10)
    os.symlink('y', base + '/b/link'); assert os.path.getsize(base + '/b/link') == 10
    os.mkfifo(base + '/fifo')
    s = socket.socket(socket.AF_UNIX); s.bind(base + '/sock'); s.listen()
    c = socket.socket(socket.AF_UNIX); c.connect(base + '/sock')
    shutil.copy('/usr/bin/true', base + '/true'); subprocess.check_call([base + '/true'])
    open(base + '/m', 'wb').truncate(4096)
    with open(base + '/m', 'r+b') as f: mmap.mmap(f.fileno(), 4096)[0] = 1
    shutil.rmtree(base + '/a'); shutil.rmtree(base + '/b')
    print(base)
for base in ['/app/t', '/tmp/t', '/var/tmp/u', '/dev/shm/t', '/cache/t', '/app/logs/t']: at(base)
open('/dev/null', 'w').write('x'); open('/dev/zero', 'rb').read(10); open('/dev/urandom', 'rb').read(1)
open('/dev/stdout', 'w').write('stdout\n'); open('/proc/self/fd/1', 'w').write('again\n')
assert open('/dev/stdin').read() == ''
open('/one', 'a').write('more'); print(open('/one').read())
fd = os.memfd_create('x'); os.write(fd, open('/usr/bin/true', 'rb').read())
subprocess.check_call([f'/proc/self/fd/{fd}'], pass_fds=[fd])
m = os.openpty(); print(os.get_terminal_size(m[1]).columns >= 0)
import multiprocessing.shared_memory as sm; x = sm.SharedMemory(create=True, size=10); x.close(); x.unlink()
os.kill(subprocess.Popen(['/usr/bin/sleep', '9']).pid, 9); print('done')
"#;

#[test]
fn ordinary_work_goes_on_in_bounds() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let one = ground.path("one");
    std::fs::write(&one, "some ").unwrap();
    let bind = |source, target: &str| Bind {
        source,
        target: target.into(),
        writable: true,
    };
    let app = AppDir {
        layers: vec![ground.make_dir("layer")],
        upper: Some(Upper {
            upper: ground.make_dir("b/upper"),
            work: ground.make_dir("b/work"),
        }),
    };
    let spec = Spec {
        app,
        mounts: vec![
            bind(ground.make_dir("cache"), "/cache"),
            bind(ground.make_dir("logs"), "/app/logs"),
            bind(one, "/one"),
        ],
        ..python(ORDINARY)
    };
    let (text, ended) = ground.run_spec(&spec);
    let places = "/app/t\n/tmp/t\n/var/tmp/u\n/dev/shm/t\n/cache/t\n/app/logs/t\n";
    assert_eq!(
        text,
        format!("{places}stdout\nagain\nsome more\nTrue\ndone\n")
    );
    assert_eq!(ended, Ended::Code(0));
}

#[test]
fn a_terminal_can_be_opened_again_in_bounds() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let pty = open_pty(PtySize { rows: 24, cols: 80 }).unwrap();
    let script = "stty size < /dev/tty; stty size < /dev/stdin; stty size < $(tty); echo end > /proc/self/fd/0";
    let stdio = Stdio::Terminal(pty.inner);
    let dir = ground.shim_dir();
    let shim = launch(crate::common::program(), &dir, &shell(script), stdio).unwrap();
    let mut terminal = File::from(pty.outer);
    for expected in ["24 80", "24 80", "24 80", "end"] {
        assert_eq!(read_line(&mut terminal).trim(), expected);
    }
    while shim.next_notice().is_err() {
        std::thread::yield_now();
    }
    shim.dismiss().unwrap();
}

#[test]
fn an_app_cannot_look_into_a_command_that_was_let_in() {
    if !can_run() || version() < 2 {
        return;
    }
    let ground = Ground::new();
    let script = "echo up; read pid < /tmp/pid
        { tr '\\0' '\\n' < /proc/$pid/environ; } 2>&1 | grep -E 'SECRET|denied|No such'; kill -0 $pid && echo seen";
    let mut running = ground
        .start(&shell(&format!("mkfifo /tmp/pid; {script}")))
        .unwrap();
    let mut output = running.output();
    assert_eq!(read_line(&mut output), "up");
    let (stdin, mut input) = std::io::pipe().unwrap();
    let (mut heard, stdout) = std::io::pipe().unwrap();
    let stdio = Stdio::Attached {
        stdin: stdin.into(),
        stderr: stdout.try_clone().unwrap().into(),
        stdout: stdout.into(),
    };
    let command = noon_sandbox::ExecSpec {
        argv: vec![
            "/bin/bash".into(),
            "-c".into(),
            "tr '\\0' '\\n' < /proc/$(pgrep -o bash)/environ | grep -c PATH; echo $$ > /tmp/pid; read; exit 3".into(),
        ],
        env: vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("SECRET".into(), "word".into()),
        ],
        cwd: "/app".into(),
    };
    let exec = Shim::exec(&running.dir, &command, stdio).unwrap();
    let mut first = [0; 2];
    heard.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n", "a command that is let in sees the app");
    let text = running.read_all();
    assert!(!text.contains("SECRET") && !text.contains("seen"), "{text}");
    assert!(
        text.contains("denied") || text.contains("No such"),
        "{text}"
    );
    let _ = input.write_all(b"\n");
    exec.wait().unwrap();
}
