//! How long until a program's first byte: a plain fork and exec, our launch, and bubblewrap, crun
//! and runc where they are installed, in turns. Prints medians, their ratio to the plain start,
//! and the 99th percentiles.
//!
//! `start_loop SHIM [ROUNDS [PROGRAM]]`: SHIM is a static `noon-shim` of the profile `shim`;
//! PROGRAM prints at once, `/usr/bin/echo` if not given. Needs root.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use noon_sandbox::{AppDir, Limits, Net, ShimProgram, Spec, System};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: start_loop SHIM [ROUNDS]")?;
    let rounds: u32 = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let shim = ShimProgram::from_bytes(std::fs::read(path)?.leak())?;
    let ground = std::env::temp_dir().join(format!("start-loop-{}", std::process::id()));
    std::fs::create_dir_all(ground.join("layer"))?;
    let program = arguments
        .next()
        .unwrap_or_else(|| "/usr/bin/echo".to_owned());
    std::fs::copy(program, ground.join("layer/program"))?;
    let bench = Bench { shim, ground };
    write_bundle(&bench.ground)?;
    let times = bench.rounds(rounds);
    std::fs::remove_dir_all(&bench.ground)?;
    report(times?);
    Ok(())
}

struct Bench {
    shim: ShimProgram,
    ground: std::path::PathBuf,
}

/// What is measured, in the order of the report.
const NAMES: [&str; 7] = [
    "plain",
    "noon",
    "noon+limits",
    "noon, host network",
    "bwrap",
    "crun, no cgroups",
    "runc",
];

type Times = Vec<(&'static str, Vec<Duration>)>;

impl Bench {
    fn rounds(&self, rounds: u32) -> Outcome<Times> {
        let mut all: Times = NAMES.map(|name| (name, Vec::new())).into();
        let has = ["bwrap", "crun", "runc"]
            .map(|name| Command::new(name).arg("--version").output().is_ok());
        for round in 0..rounds {
            let plain = self.ground.join("layer/program");
            all[0].1.push(first_byte(Command::new(plain).arg("x"))?);
            let none = Limits::default();
            all[1].1.push(self.ours(round, Net::Isolated, none)?);
            all[2].1.push(self.ours(round, Net::Isolated, limits())?);
            let none = Limits::default();
            all[3].1.push(self.ours(round, Net::Host, none)?);
            let peers = [
                bwrap(&self.ground),
                oci(&["crun", "--cgroup-manager=disabled"], &self.ground, round),
                oci(&["runc"], &self.ground, round),
            ];
            for (index, peer) in peers.into_iter().enumerate().filter(|(i, _)| has[*i]) {
                all[4 + index].1.push(without_v2(peer)?);
            }
        }
        Ok(all)
    }

    fn ours(&self, round: u32, network: Net, limits: Limits) -> Outcome<Duration> {
        let dir = self.ground.join(format!("shim-{round}"));
        std::fs::create_dir(&dir)?;
        let spec = Spec {
            label: Vec::new(),
            argv: vec!["/app/program".into(), "x".into()],
            env: Vec::new(),
            cwd: "/app".into(),
            hostname: "web-1".into(),
            uid: 200_001,
            app: AppDir {
                layers: vec![self.ground.join("layer")],
                upper: None,
            },
            mounts: Vec::new(),
            network,
            limits,
            system: System::default(),
        };
        let (mut output, write) = std::io::pipe()?;
        let nothing = || std::fs::File::open("/dev/null");
        let stdio = noon_sandbox::Stdio::Attached {
            stdin: nothing()?.into(),
            stdout: write.into(),
            stderr: nothing()?.into(),
        };
        let start = Instant::now();
        let mut shim = noon_sandbox::launch(&self.shim, &dir, &spec, stdio)?;
        output.read_exact(&mut [0])?;
        let took = start.elapsed();
        while shim.status()?.ended.is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        shim.dismiss()?;
        std::fs::remove_dir_all(dir)?;
        Ok(took)
    }
}

fn limits() -> Limits {
    Limits {
        memory: Some(256 << 20),
        tasks: Some(100),
        ..Limits::default()
    }
}

fn first_byte(command: &mut Command) -> Outcome<Duration> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(output) = &mut child.stdout {
        output.read_exact(&mut [0])?;
    }
    let took = start.elapsed();
    child.wait()?;
    Ok(took)
}

fn bwrap(ground: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.args([
        "--unshare-all",
        "--die-with-parent",
        "--uid",
        "1000",
        "--gid",
        "1000",
    ]);
    command.args(["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"]);
    command.args([
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
    ]);
    command.args([
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--ro-bind",
    ]);
    command
        .arg(ground.join("layer"))
        .args(["/app", "/app/program", "x"]);
    command
}

/// A container of an OCI runtime, from the bundle of [`write_bundle`].
fn oci(runtime: &[&str], ground: &Path, round: u32) -> Command {
    let mut command = Command::new(runtime[0]);
    command.args(&runtime[1..]).arg("--root");
    command.arg(ground.join("oci")).args(["run", "--bundle"]);
    command.arg(ground.join("bundle"));
    command.arg(format!("start-loop-{}-{round}", std::process::id()));
    command
}

/// The same on a thread that sees no cgroup2 tree beside a v1 one: crun starts nothing there.
fn without_v2(mut command: Command) -> Outcome<Duration> {
    let alone = std::thread::spawn(move || {
        hide_v2()?;
        first_byte(&mut command).map_err(|error| std::io::Error::other(error.to_string()))
    });
    Ok(alone.join().map_err(|_| "the thread panicked")??)
}

#[expect(unsafe_code, reason = "a mount namespace is made by system calls")]
fn hide_v2() -> std::io::Result<()> {
    let hybrid = c"/sys/fs/cgroup/unified";
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the strings end with a zero, and null stands for what these calls leave out.
    let done = unsafe {
        let none = std::ptr::null();
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none, private, std::ptr::null()) == 0
    };
    if !done {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: as above. On a machine without that tree there is nothing to hide.
    unsafe { libc::umount2(hybrid.as_ptr(), libc::MNT_DETACH) };
    Ok(())
}

/// The same program, for runtimes that take a bundle: own namespaces, no capability, no limits.
fn write_bundle(ground: &Path) -> Outcome<()> {
    let root = ground.join("bundle/rootfs");
    for dir in ["usr", "app", "proc", "dev"] {
        std::fs::create_dir_all(root.join(dir))?;
    }
    for name in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name))?;
    }
    let app = ground.join("layer").display().to_string();
    let config = format!(
        r#"{{"ociVersion":"1.0.2","root":{{"path":"rootfs"}},"hostname":"web-1",
        "process":{{"terminal":false,"user":{{"uid":1000,"gid":1000}},"noNewPrivileges":true,
            "cwd":"/app","args":["/app/program","x"],"env":["PATH=/usr/bin"]}},
        "mounts":[
            {{"destination":"/proc","type":"proc","source":"proc"}},
            {{"destination":"/dev","type":"tmpfs","source":"tmpfs"}},
            {{"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]}},
            {{"destination":"/app","type":"bind","source":"{app}","options":["rbind","ro"]}}],
        "linux":{{"namespaces":[{{"type":"pid"}},{{"type":"network"}},{{"type":"ipc"}},
            {{"type":"uts"}},{{"type":"mount"}}]}}}}"#
    );
    Ok(std::fs::write(ground.join("bundle/config.json"), config)?)
}

fn report(all: Times) {
    let sorted = |times: &[Duration]| {
        let mut sorted = times.to_vec();
        sorted.sort();
        sorted
    };
    let at = |times: &[Duration], part: f64| {
        let index = (times.len() as f64 * part) as usize;
        times[index.min(times.len() - 1)].as_secs_f64() * 1e6
    };
    let plain = at(&sorted(&all[0].1), 0.5);
    println!("{:>20} {:>11} {:>7} {:>11}", "", "median", "ratio", "p99");
    for (name, times) in all.iter().filter(|(_, times)| !times.is_empty()) {
        let times = sorted(times);
        let (median, late) = (at(&times, 0.5), at(&times, 0.99));
        println!(
            "{name:>20} {median:8.0} us {:6.1}x {late:8.0} us",
            median / plain
        );
    }
}
