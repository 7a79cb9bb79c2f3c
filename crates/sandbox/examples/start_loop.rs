//! How long until a program's first byte: a plain fork and exec, our launch, and bubblewrap where
//! it is installed, in turns. Prints medians and their ratio to the plain start.
//!
//! `start_loop SHIM [ROUNDS [PROGRAM]]`: SHIM is a static `noon-shim` of the profile `shim`;
//! PROGRAM prints at once, `/usr/bin/echo` if not given. Needs root.

use std::io::Read;
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
    let times = bench.rounds(rounds);
    std::fs::remove_dir_all(&bench.ground)?;
    report(times?);
    Ok(())
}

struct Bench {
    shim: ShimProgram,
    ground: std::path::PathBuf,
}

impl Bench {
    fn rounds(&self, rounds: u32) -> Outcome<Vec<(&'static str, Vec<Duration>)>> {
        let has_bwrap = Command::new("bwrap").arg("--version").output().is_ok();
        let mut all: Vec<(&str, Vec<Duration>)> = [
            "plain",
            "noon",
            "noon+limits",
            "noon, host network",
            "bwrap",
        ]
        .map(|name| (name, Vec::new()))
        .into();
        for round in 0..rounds {
            all[0].1.push(first_byte(
                Command::new(self.ground.join("layer/program")).arg("x"),
            )?);
            all[1]
                .1
                .push(self.ours(round, Net::Isolated, Limits::default())?);
            let limits = Limits {
                memory: Some(256 << 20),
                tasks: Some(100),
                ..Limits::default()
            };
            all[2].1.push(self.ours(round, Net::Isolated, limits)?);
            all[3]
                .1
                .push(self.ours(round, Net::Host, Limits::default())?);
            if has_bwrap {
                all[4].1.push(first_byte(&mut bwrap(&self.ground))?);
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

fn bwrap(ground: &std::path::Path) -> Command {
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

fn report(all: Vec<(&'static str, Vec<Duration>)>) {
    let median = |times: &[Duration]| {
        let mut sorted = times.to_vec();
        sorted.sort();
        sorted
            .get(sorted.len() / 2)
            .map_or(0.0, Duration::as_secs_f64)
            * 1e6
    };
    let plain = median(&all[0].1);
    for (name, times) in all.iter().filter(|(_, times)| !times.is_empty()) {
        let took = median(times);
        println!("{name:>20} {took:8.0} us {:6.1}x", took / plain);
    }
}
