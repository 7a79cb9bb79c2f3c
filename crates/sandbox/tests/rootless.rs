//! The walls for an ordinary user: this program runs itself again as one, and checks from there.
//!
//! It has no harness, since a user namespace must be entered before there is a second thread.

#![expect(
    clippy::unwrap_used,
    reason = "a test without a harness, whose helpers may fall"
)]

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use noon_sandbox::{
    AppDir, Bind, Cpu, Ended, ExecSpec, Limits, Mode, Net, Notice, Shim, ShimProgram, Spec, Stdio,
    System, Upper, enter_rootless, launch, resume_rootless, socket_in,
};

const LONELY_UID: u32 = 54_321;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("--leave") => leave(std::env::args().nth(2).unwrap().as_ref()),
        Some("--resume") => resume(std::env::args().nth(2).unwrap().as_ref()),
        Some("--as-user") => as_user(std::env::args().nth(2).unwrap().as_ref()),
        Some("--list") => {}
        _ if !is_root() => eprintln!("skipped: needs root, to become an ordinary user"),
        _ => as_root(),
    }
    ExitCode::SUCCESS
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .contains("Uid:\t0\t0")
}

fn as_root() {
    run_as(LONELY_UID, LONELY_UID);
    let user = TestUser::new();
    match &user {
        Some(user) => run_as(user.uid, user.gid),
        None => eprintln!("skipped: the range of newuidmap, for want of useradd or newuidmap"),
    }
    println!("the walls stand for ordinary users");
}

/// A user with a range in `/etc/subuid`, gone at the end.
struct TestUser {
    name: String,
    uid: u32,
    gid: u32,
}

impl TestUser {
    fn new() -> Option<Self> {
        let name = format!("noontest{}", std::process::id());
        Command::new("newuidmap").output().ok()?;
        let made = Command::new("useradd").args(["-M", &name]).status().ok()?;
        let ask = |flag: &str| {
            let output = Command::new("id").args([flag, &name]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        let (uid, gid) = (ask("-u")?, ask("-g")?);
        made.success().then_some(Self { name, uid, gid })
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.name).status();
    }
}

fn run_as(uid: u32, gid: u32) {
    let ground = tempfile::tempdir().unwrap();
    let copy = |from: &Path, name: &str| {
        let to = ground.path().join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
        to
    };
    let program = copy(&std::env::current_exe().unwrap(), "program");
    copy(env!("CARGO_BIN_EXE_noon-shim").as_ref(), "shim");
    std::fs::set_permissions(ground.path(), PermissionsExt::from_mode(0o755)).unwrap();
    chown(ground.path(), Some(uid), Some(gid)).unwrap();
    for act in ["--as-user", "--leave", "--resume"] {
        let status = Command::new("setpriv")
            .args([
                format!("--reuid={uid}"),
                format!("--regid={gid}"),
                "--clear-groups".into(),
            ])
            .arg(&program)
            .arg(act)
            .arg(ground.path())
            .status()
            .unwrap();
        assert!(status.success(), "the suite failed for user {uid}");
    }
}

/// One platform starts a process and goes.
fn leave(dir: &Path) {
    let shims = dir.join("shims");
    std::fs::create_dir(&shims).unwrap();
    assert_ne!(resume_rootless(&shims).unwrap(), Mode::Root);
    let dir = tempfile::tempdir_in(&shims).unwrap().keep();
    let bytes = std::fs::read(shims.join("../shim")).unwrap();
    let shim = ShimProgram::from_bytes(bytes.leak()).unwrap();
    launch(&shim, &dir, &shell("sleep 1000"), Stdio::Piped).unwrap();
}

/// The next has the same power over it.
fn resume(dir: &Path) {
    use std::os::fd::AsFd;
    let shims = dir.join("shims");
    let found = || std::fs::read_dir(&shims).unwrap().flatten();
    let left = found().next().unwrap().path();
    // What nobody listens in any more is no obstacle.
    std::fs::create_dir(shims.join("empty")).unwrap();
    let mode = resume_rootless(&shims).unwrap_or_else(|error| panic!("{}", story(&error)));
    assert_ne!(mode, Mode::Root);
    let mut shim = Shim::connect(&left).unwrap();
    let network = shim.netns().unwrap();
    socket_in(network.as_fd(), false).unwrap();
    end(shim);
    let bytes = std::fs::read(dir.join("shim")).unwrap();
    let program = ShimProgram::from_bytes(bytes.leak()).unwrap();
    let bench = Bench {
        dir: dir.to_owned(),
        shim: program,
    };
    assert_eq!(bench.run(&shell("echo more")).0, "more\n");
    println!("resumed: {mode:?}");
}

/// Ends a process, and lets its shim go.
fn end(mut shim: Shim) {
    shim.kill().unwrap();
    while shim.status().unwrap().ended.is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    shim.dismiss().unwrap();
}

/// What the ordinary user checks, in a directory of its own.
fn as_user(dir: &Path) {
    let mode = enter_rootless().unwrap_or_else(|error| panic!("{}", story(&error)));
    println!("mode: {mode:?}");
    assert_ne!(mode, Mode::Root);
    assert_eq!(
        enter_rootless().unwrap(),
        mode,
        "entering twice changes nothing"
    );
    let bytes = std::fs::read(dir.join("shim")).unwrap();
    let shim = ShimProgram::from_bytes(bytes.leak()).unwrap();
    let bench = Bench {
        dir: dir.to_owned(),
        shim,
    };
    bench.attacks();
    bench.layers();
    bench.network();
    bench.limits();
    bench.exec();
}

struct Bench {
    dir: PathBuf,
    shim: ShimProgram,
}

impl Bench {
    fn start(&self, spec: &Spec) -> Shim {
        let dir = tempfile::tempdir_in(&self.dir).unwrap().keep();
        let started = launch(&self.shim, &dir, spec, Stdio::Piped);
        started.unwrap_or_else(|error| panic!("{}", story(&error)))
    }

    fn run(&self, spec: &Spec) -> (String, Ended) {
        let mut shim = self.start(spec);
        let mut output = std::fs::File::from(shim.output().unwrap());
        let mut text = Vec::new();
        output.read_to_end(&mut text).unwrap();
        while shim.status().unwrap().ended.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let ended = shim.status().unwrap().ended.unwrap();
        shim.dismiss().unwrap();
        (String::from_utf8_lossy(&text).into_owned(), ended)
    }

    fn attacks(&self) {
        let table = [
            ("prints and ends", "echo hello; exit 3", "hello"),
            (
                "knows itself",
                "id -u; id -un; hostname",
                "1000\napp\nweb-1",
            ),
            (
                "writes the stack",
                "touch /usr/x /etc/x /x /dev/x /run/x /run/noon/x 2>&1 | grep -c Read-only",
                "6",
            ),
            (
                "writes passwd",
                "(echo x >> /etc/passwd) 2>/dev/null || echo refused",
                "refused",
            ),
            (
                "lists private places",
                "ls -d /root /home /work /etc/shadow 2>/dev/null; echo none",
                "none",
            ),
            ("counts processes", "set -- /proc/[0-9]*; echo $#", "1"),
            (
                "reads init",
                "for f in environ mem maps root/x exe ns/mnt; do cat /proc/1/$f 2>/dev/null; done; echo denied",
                "denied",
            ),
            (
                "writes kernel settings",
                "for f in kernel/core_pattern user/max_user_namespaces net/ipv4/ip_forward kernel/hostname; do (echo 1 > /proc/sys/$f) 2>/dev/null && echo wrote $f; done; echo denied",
                "denied",
            ),
            (
                "has no privileges",
                "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
                "CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2",
            ),
            (
                "kills init",
                "{ kill -9 1; kill -STOP 1; } 2>/dev/null; echo alive",
                "alive",
            ),
            (
                "mounts and unshares",
                "mount -t tmpfs x /tmp 2>/dev/null; unshare -U true 2>/dev/null; chroot / true 2>/dev/null; echo refused",
                "refused",
            ),
            (
                "finds the proc below its own",
                "umount -l /proc 2>/dev/null; set -- /proc/[0-9]*; echo $#",
                "1",
            ),
        ];
        for (name, script, expected) in table {
            assert_eq!(self.run(&shell(script)).0.trim_end(), expected, "{name}");
        }
        assert_eq!(self.run(&shell("exit 3")).1, Ended::Code(3));
        assert_eq!(self.run(&shell("kill -SEGV $$")).1, Ended::Signal(11));
    }

    fn layers(&self) {
        let make = |name: &str| {
            let path = self.dir.join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let (layer, cache) = (make("layer"), make("cache"));
        std::fs::create_dir(layer.join("lib")).unwrap();
        std::fs::write(layer.join("lib/file"), "old").unwrap();
        let upper = Upper {
            upper: make("b/upper"),
            work: make("b/work"),
        };
        let app = AppDir {
            layers: vec![layer.clone()],
            upper: None,
        };
        let script =
            "sed -i s/old/new/ lib/file; cat lib/file; rm -r lib; mkdir lib; ls lib | wc -l";
        let spec = Spec {
            app: app.clone(),
            ..shell(script)
        };
        assert_eq!(self.run(&spec).0, "new0\n");
        assert_eq!(
            self.run(&spec).0,
            "new0\n",
            "the first run's writes are lost"
        );
        let script =
            "echo made > made; echo x > /cache/x; sed -i s/old/new/ lib/file; cat lib/file";
        let mounts = vec![Bind {
            source: cache.clone(),
            target: "/cache".into(),
            writable: true,
        }];
        let app = AppDir {
            upper: Some(upper.clone()),
            ..app
        };
        assert_eq!(
            self.run(&Spec {
                app,
                mounts,
                ..shell(script)
            })
            .0,
            "new"
        );
        assert_eq!(
            std::fs::read_to_string(upper.upper.join("made")).unwrap(),
            "made\n"
        );
        assert!(cache.join("x").exists());
        assert_eq!(
            std::fs::read_to_string(layer.join("lib/file")).unwrap(),
            "old"
        );
    }

    fn network(&self) {
        use std::os::fd::AsFd;
        let mut shim = self.start(&shell("sleep 100"));
        let network = shim.netns().unwrap();
        socket_in(network.as_fd(), false).unwrap();
        shim.signal(15).unwrap();
        let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
        assert_ne!(
            self.run(&shell("readlink /proc/self/ns/net")).0.trim(),
            ours.to_str().unwrap()
        );
        let host = Spec {
            network: Net::Host,
            ..shell("readlink /proc/self/ns/net")
        };
        assert_eq!(self.run(&host).0.trim(), ours.to_str().unwrap());
        while shim.status().unwrap().ended.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(shim.status().unwrap().ended, Some(Ended::Signal(15)));
        shim.dismiss().unwrap();
    }

    fn exec(&self) {
        use std::io::Write;
        let dir = tempfile::tempdir_in(&self.dir).unwrap().keep();
        let script =
            "echo one > file; readlink /proc/self/ns/* > /tmp/ns; echo up; exec sleep 1000";
        let mut shim = launch(&self.shim, &dir, &shell(script), Stdio::Piped).unwrap();
        let mut output = std::fs::File::from(shim.output().unwrap());
        let mut up = [0; 3];
        output.read_exact(&mut up).unwrap();
        let table = [
            ("sees the files", "cat file; id -un", "one\napp"),
            (
                "is in the same namespaces",
                "readlink /proc/self/ns/* | diff - /tmp/ns && echo same",
                "same",
            ),
            (
                "has no privileges",
                "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
                "CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2",
            ),
            (
                "kills init",
                "(kill -9 1; kill -STOP 1) 2>/dev/null; echo alive",
                "alive",
            ),
            (
                "reads init",
                "for f in environ mem maps root/x exe ns/mnt; do cat /proc/1/$f 2>/dev/null; done; echo denied",
                "denied",
            ),
            ("reads what it is given", "tr a-z A-Z", "SHOUT"),
        ];
        for (name, script, expected) in table {
            let (stdin, mut input) = std::io::pipe().unwrap();
            let (mut output, stdout) = std::io::pipe().unwrap();
            let spec = ExecSpec {
                argv: vec!["/bin/bash".into(), "-c".into(), script.into()],
                env: vec![("PATH".into(), "/usr/bin:/bin".into())],
                cwd: "/app".into(),
            };
            let stdio = Stdio::Attached {
                stdin: stdin.into(),
                stderr: stdout.try_clone().unwrap().into(),
                stdout: stdout.into(),
            };
            let exec = Shim::exec(&dir, &spec, stdio);
            let exec = exec.unwrap_or_else(|error| panic!("{name}: {}", story(&error)));
            input.write_all(b"shout").unwrap();
            drop(input);
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            assert_eq!(text.trim_end(), expected, "{name}");
            assert_eq!(exec.wait().unwrap(), Ended::Code(0), "{name}");
        }
        end(shim);
    }

    fn limits(&self) {
        let limits = Limits {
            tasks: Some(30),
            disk: Some(2 << 20),
            ..Limits::default()
        };
        let script = "head -c 4M /dev/zero 2>&1 > /tmp/big | grep -c 'No space'
            for i in $(seq 60); do sleep 2 & done 2>&1 | grep -c 'Resource temporarily'";
        let (text, _) = self.run(&Spec {
            limits,
            ..shell(script)
        });
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("1"));
        assert_ne!(lines.next(), Some("0"), "a fork bomb is not bounded");
        let cpu = Some(Cpu {
            weight: 50,
            millicores: None,
        });
        let limits = Limits {
            cpu,
            ..Limits::default()
        };
        let spec = Spec {
            limits,
            ..shell("nice; nice -n -1 nice 2>/dev/null")
        };
        assert_eq!(
            self.run(&spec).0,
            "3\n3\n",
            "half the weight is three steps"
        );
        self.memory();
    }

    fn memory(&self) {
        let hog = "exec python3 -c 'import time; x = b\"x\" * (MIB << 20); time.sleep(600)'";
        let limits = Limits {
            memory: Some(400 << 20),
            memory_quota: Some(40 << 20),
            ..Limits::default()
        };
        let mut shim = self.start(&Spec {
            limits,
            ..shell(&hog.replace("MIB", "60"))
        });
        let notice = loop {
            match shim.next_notice() {
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
                Ok(notice) => break notice,
            }
        };
        let Some(Notice::MemoryOverQuota { bytes }) = notice else {
            panic!("it ended");
        };
        assert!((40 << 20..400 << 20).contains(&bytes), "{bytes}");
        shim.kill().unwrap();
        while !matches!(shim.next_notice(), Ok(None)) {}
        shim.dismiss().unwrap();
        let limits = Limits {
            memory: Some(100 << 20),
            ..Limits::default()
        };
        // More than the limit, less than twice that.
        let script = hog.replace("MIB", "130");
        assert_eq!(
            self.run(&Spec {
                limits,
                ..shell(&script)
            })
            .1,
            Ended::OutOfMemory
        );
    }
}

fn story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        text = format!("{text}: {source}");
        at = source.source();
    }
    text
}

fn shell(script: &str) -> Spec {
    Spec {
        label: Vec::new(),
        argv: vec!["/bin/bash".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        cwd: "/app".into(),
        hostname: "web-1".into(),
        uid: 1000,
        app: AppDir::default(),
        mounts: Vec::new(),
        network: Net::Isolated,
        limits: Limits {
            disk: Some(16 << 20),
            ..Limits::default()
        },
        system: System::default(),
    }
}
