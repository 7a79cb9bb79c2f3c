//! Where starts meet their faults, and what must be true after each.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use noon_sandbox::{
    AppDir, Limits, Net, Shim, ShimProgram, Spec, Status, Stdio, System, clear, launch, read_exit,
};

use crate::sys;
use crate::tracer::{self, Fault, Plan, Role};

/// Longer than anything takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the app finds of its walls; a start that succeeds shows the same as one without a fault.
const REPORT: &str = r#"
    grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/self/status
    cut -d' ' -f5,6 /proc/self/mountinfo
    for kind in mnt pid net ipc uts cgroup; do
        case "$OUTSIDE" in *"$(readlink /proc/self/ns/$kind)"*) echo "shared $kind" ;; esac
    done
    ls /proc/self/fd | head -3 | tr '\n' ' '; ls -a / /dev /app; id; hostname; umask; ulimit -c; ulimit -u
    for try in 'touch /usr/x' 'unshare -U true' 'cat /proc/1/environ' 'cat /proc/kcore' \
        'echo 1 > /proc/sys/vm/drop_caches'; do
        (eval "$try") > /dev/null 2>&1 && echo "could $try"
    done
    echo ready; exec sleep 1000"#;

pub struct Ground {
    dir: PathBuf,
    shim: PathBuf,
    program: ShimProgram,
    /// Mounts and descriptors before the first start.
    before: Mutex<Option<(usize, usize)>>,
    whole: Mutex<String>,
    count: Mutex<u32>,
    /// What is being tried, and since when.
    now: Arc<Mutex<(String, Instant)>>,
}

impl Ground {
    pub fn new(dir: &Path, shim: &Path) -> Self {
        let dir = dir.canonicalize().unwrap();
        let plan = dir.join("plan");
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let posing = tracer::posing_program(&own, &plan);
        Self {
            dir,
            shim: shim.to_owned(),
            program: ShimProgram::from_bytes(posing.leak()).unwrap(),
            before: Mutex::new(None),
            whole: Mutex::default(),
            count: Mutex::default(),
            now: Arc::new(Mutex::new((String::new(), Instant::now()))),
        }
    }

    /// Ends the whole test where a fault makes something wait for ever, and says which.
    pub fn watch_for_hangs(&self) {
        let now = Arc::downgrade(&self.now);
        std::thread::spawn(move || {
            while let Some(now) = now.upgrade() {
                let (what, since) = now.lock().unwrap().clone();
                if since.elapsed() > PATIENCE {
                    eprintln!("it hangs: {what}");
                    std::process::exit(1);
                }
                drop(now);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
    }

    /// One start and stop without a fault; its steps.
    pub fn record(&self) -> Vec<(Role, i64)> {
        // The stack's tree and the app's user namespace are made once, and kept.
        self.start_and_stop(None);
        *self.before.lock().unwrap() = Some(self.held());
        let refused = self.start_and_stop(None);
        assert!(!refused);
        let steps = tracer::read_notes(&self.dir.join("notes"));
        assert!(steps.len() > 100, "{steps:?}");
        steps
    }

    /// One start and stop with a fault; whether the start was refused.
    pub fn meet(&self, what: (Role, usize, Fault), call: i64) -> bool {
        self.now.lock().unwrap().0 = format!("{what:?} at system call {call}");
        let refused = self.start_and_stop(Some(what));
        self.nothing_is_left();
        refused
    }

    fn start_and_stop(&self, plan: Plan) -> bool {
        let what = {
            let mut now = self.now.lock().unwrap();
            now.1 = Instant::now();
            now.0.clone()
        };
        let notes = self.dir.join("notes");
        let _ = std::fs::remove_file(&notes);
        tracer::write_plan(&self.dir.join("plan"), plan, &self.shim, &notes);
        let dir = self.shim_dir();
        let started = launch(&self.program, &dir, &spec(), Stdio::Piped);
        let refused = started.is_err();
        if let Ok(shim) = started {
            self.stop(shim, &dir, &what, plan);
        }
        // As whoever supervises does, whatever came of it.
        clear(&dir).unwrap_or_else(|error| panic!("{what}: {error}"));
        std::fs::remove_dir_all(&dir).unwrap();
        while sys::children_are_left() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(notes.exists(), "{what}: the tracer has ended before all");
        self.no_group_is_left(&dir, &what);
        refused
    }

    fn shim_dir(&self) -> PathBuf {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        let dir = self.dir.join(format!("shim-{count}"));
        std::fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
        dir
    }

    /// Stops it as a supervisor does: the signal, then the hard way.
    fn stop(&self, mut shim: Shim, dir: &Path, what: &str, plan: Plan) {
        if let Some(output) = ask(&mut shim, dir, Shim::output) {
            let groups = ask(&mut shim, dir, Shim::status).map(|status| groups(&status, dir));
            let report = read_report(output.into());
            // Of one that is gone already there is nothing to be said.
            if let Some(groups) = groups.filter(|text| !text.is_empty()) {
                self.compare(&(groups + &report), what);
            }
        }
        let told = ask(&mut shim, dir, |shim| shim.signal(libc::SIGTERM)).is_some();
        let ended = told && sys::wait_readable(shim.wait_fd().as_raw_fd(), 2000);
        if !ended && ask(&mut shim, dir, Shim::kill).is_none() {
            return;
        }
        sys::wait_readable(shim.wait_fd().as_raw_fd(), 20_000);
        let Some(status) = ask(&mut shim, dir, Shim::status) else {
            return;
        };
        let ended = status.ended;
        assert!(ended.is_some(), "{what}: it runs on after a SIGKILL");
        let written = read_exit(dir);
        // What a full disk keeps from being written is told all the same.
        let cannot = matches!(plan, Some((Role::Shim, _, Fault::Fail(_))));
        let is_same = written == ended || cannot && written.is_none();
        assert!(is_same, "{what}: {written:?} is written, {ended:?} told");
        if shim.dismiss().is_err()
            && let Ok(again) = Shim::connect(dir)
        {
            again.dismiss().unwrap();
        }
    }

    /// A process that runs has all of its walls.
    fn compare(&self, report: &str, what: &str) {
        let mut whole = self.whole.lock().unwrap();
        if whole.is_empty() {
            assert!(report.ends_with("ready\n"), "{report}");
            *whole = report.to_owned();
        } else if report.ends_with("ready\n") {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (now, before) = (lines(report), lines(&whole));
            let more: Vec<_> = now.iter().filter(|line| !before.contains(line)).collect();
            let less: Vec<_> = before.iter().filter(|line| !now.contains(line)).collect();
            assert!(
                more.is_empty() && less.is_empty(),
                "{what} changed a wall: {more:?} came, {less:?} went"
            );
        }
    }

    fn held(&self) -> (usize, usize) {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        (mounts.lines().count(), descriptors.count())
    }

    pub fn nothing_is_left(&self) {
        let what = self.now.lock().unwrap().0.clone();
        let before = self.before.lock().unwrap();
        assert_eq!(Some(self.held()), *before, "{what}: mounts, descriptors");
        let left = std::fs::read_dir(&self.dir).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        let is_shim = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("shim-");
        assert!(!left.iter().any(is_shim), "{what}: {left:?}");
    }

    fn no_group_is_left(&self, dir: &Path, what: &str) {
        let name = format!("noon/{}", group_name(dir));
        let mut homes = vec![PathBuf::from("/sys/fs/cgroup")];
        let below = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten();
        homes.extend(below.flatten().map(|entry| entry.path()));
        let left: Vec<_> = homes.iter().map(|home| home.join(&name)).collect();
        let left: Vec<_> = left.iter().filter(|path| path.exists()).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }
}

/// The groups of the processes inside, without what is different each time.
fn groups(status: &Status, dir: &Path) -> String {
    let path = format!("/proc/{}/cgroup", status.init_pid);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.replace(&group_name(dir), "its-own")
}

/// The name that the sandbox gives to the groups of a directory.
fn group_name(dir: &Path) -> String {
    let bytes = dir.as_os_str().as_encoded_bytes().iter();
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3_u64)
    });
    format!("{hash:016x}")
}

/// Asks a shim, and once more on a new connection where it let go of this one; `None` where nobody
/// is there.
fn ask<T>(
    shim: &mut Shim,
    dir: &Path,
    act: impl Fn(&mut Shim) -> Result<T, noon_sandbox::Error>,
) -> Option<T> {
    if let Ok(answer) = act(shim) {
        return Some(answer);
    }
    *shim = Shim::connect(dir).ok()?;
    act(shim).ok()
}

fn spec() -> Spec {
    let kinds = ["mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let own = kinds.map(|kind| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap());
    Spec {
        label: b"faults".to_vec(),
        argv: vec!["/bin/bash".into(), "-c".into(), REPORT.into()],
        env: vec![
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
            ("OUTSIDE".into(), format!("{own:?}")),
        ],
        cwd: "/app".into(),
        hostname: "web-1".into(),
        uid: 200_001,
        app: AppDir::default(),
        mounts: Vec::new(),
        network: Net::Isolated,
        limits: Limits {
            memory: Some(256 << 20),
            memory_quota: Some(128 << 20),
            cpu: Some(noon_sandbox::Cpu {
                weight: 50,
                millicores: Some(900),
            }),
            tasks: Some(64),
            disk: Some(16 << 20),
            ..Limits::default()
        },
        system: System::default(),
    }
}

/// What is printed until the app is ready, or until it has ended.
fn read_report(mut output: File) -> String {
    let (mut report, mut part) = (Vec::new(), [0; 4096]);
    while !report.ends_with(b"ready\n") {
        match output.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(count) => report.extend(&part[..count]),
        }
    }
    String::from_utf8_lossy(&report).into_owned()
}
