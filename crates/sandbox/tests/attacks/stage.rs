//! Where an attack is tried: a directory, apps of their own users, and nothing left at the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use noon_sandbox::{Ended, Shim, Spec};

use crate::common::{Ground, Running, read_line, shell, story, wait_until};

/// A secret in the environment of whoever launches apps; apart, so that no attack holds it whole.
pub const SECRET: [&str; 2] = ["launcher-", "secret-7c41"];

/// What attacks in Python begin with: system calls by number, and what became of them.
const PRELUDE: &str = r#"
import ctypes, errno, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def raw(number, *args):
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
def call(name, number, *args):
    got = raw(number, *args)
    print(name, "OK" if got >= 0 else errno.errorcode[ctypes.get_errno()], flush=True)
def tries(name, act):
    try: act(); print(name, "OK", flush=True)
    except OSError as e: print(name, errno.errorcode.get(e.errno, e.errno), flush=True)
def say(*words): print(*words, flush=True)
"#;

/// How long the last of an attack may take to go.
const PATIENCE: Duration = Duration::from_secs(30);

static USERS: AtomicU32 = AtomicU32::new(0);

/// Where one attack is tried.
pub struct Stage {
    pub ground: Ground,
    /// The app's user, no other attack's.
    pub uid: u32,
    pub is_root: bool,
    /// Whether there are cgroups that limit memory and tasks.
    pub has_cgroups: bool,
}

impl Stage {
    pub fn new(mode: &str) -> Self {
        Self {
            ground: Ground::new(),
            uid: 210_000 + USERS.fetch_add(10, Ordering::Relaxed),
            is_root: mode == "root",
            has_cgroups: matches!(mode, "root" | "delegated"),
        }
    }

    /// An app that is a shell script.
    pub fn shell(&self, script: &str) -> Spec {
        Spec {
            uid: self.uid,
            ..shell(script)
        }
    }

    /// An app that is a Python program after the prelude.
    pub fn python(&self, script: &str) -> Spec {
        let argv = ["python3", "-c", &format!("{PRELUDE}{script}")].map(str::to_owned);
        Spec {
            argv: argv.into(),
            ..self.shell("")
        }
    }

    /// Another app of another user, which printed a line and goes on.
    pub fn neighbour(&self, script: &str) -> Running {
        self.up(&Spec {
            uid: self.uid + 1,
            ..self.python(script)
        })
    }

    /// Starts an app and waits for its first line, `up`.
    pub fn up(&self, spec: &Spec) -> Running {
        let mut running = self.start(spec);
        assert_eq!(read_line(&mut running.output()), "up");
        running
    }

    pub fn start(&self, spec: &Spec) -> Running {
        let started = self.ground.start(spec);
        started.unwrap_or_else(|error| panic!("{}", story(&error)))
    }

    /// Runs an app to its end, which must be an ordinary one: what it printed.
    pub fn prints(&self, spec: &Spec) -> String {
        let (printed, ended) = self.ground.run_spec(spec);
        assert_eq!(ended, Ended::Code(0), "{printed}");
        printed
    }

    /// Runs an attack in Python, which must print exactly this.
    pub fn attack(&self, script: &str, expected: &str) {
        assert_lines(&self.prints(&self.python(script)), expected);
    }

    /// Ends the attack: nothing of it may be left.
    pub fn close(self) {
        let dir = self.ground.dir.path().to_owned();
        wait_until("all shims have left", || shims(&dir).is_empty());
        let mut left = Vec::new();
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            left = left_behind(&dir);
            if left.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("left behind: {left:#?}");
    }
}

/// Compares line by line, so that a failure shows the attack that succeeded.
pub fn assert_lines(printed: &str, expected: &str) {
    let (printed, expected): (Vec<_>, Vec<_>) = (
        printed.trim().lines().collect(),
        expected.trim().lines().collect(),
    );
    for (index, line) in expected.iter().enumerate() {
        assert_eq!(printed.get(index), Some(line), "in {printed:#?}");
    }
    assert_eq!(printed.len(), expected.len(), "{printed:#?}");
}

/// The directories of shims that answer.
pub fn shims(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| Shim::connect(path).is_ok())
        .collect()
}

/// Whatever is left of apps that were started below a directory.
pub fn left_behind(dir: &Path) -> Vec<String> {
    let needle = dir.to_str().unwrap();
    let mut found = processes(needle);
    for table in ["/proc/self/mountinfo", "/proc/net/unix"] {
        let text = std::fs::read_to_string(table).unwrap();
        found.extend(
            text.lines()
                .filter(|line| line.contains(needle))
                .map(|line| format!("{table}: {line}")),
        );
    }
    for shim in directories(dir) {
        found.extend(
            groups(&shim)
                .into_iter()
                .map(|group| format!("cgroup {}", group.display())),
        );
    }
    found
}

/// The directories in a directory.
pub fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// The cgroups of a shim, by the name that every version gives them: FNV-1a of its directory.
pub fn groups(shim: &Path) -> Vec<PathBuf> {
    let Ok(shim) = shim.canonicalize() else {
        return Vec::new();
    };
    let bytes = shim.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let (name, mut found) = (format!("{hash:016x}"), Vec::new());
    let mut pending = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((at, depth)) = pending.pop() {
        if at.ends_with(&name) {
            found.push(at);
        } else if depth < 5 {
            pending.extend(directories(&at).into_iter().map(|below| (below, depth + 1)));
        }
    }
    found
}

/// Processes that hold anything of a directory; this one holds it rightly.
fn processes(needle: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ours = std::process::id();
    pids.filter(|pid| *pid != ours)
        .filter(|pid| holds(*pid, needle))
        .map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("process {pid} {}", name.trim())
        })
        .collect()
}

fn holds(pid: u32, needle: &str) -> bool {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let mut targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    targets.any(|target| target.to_string_lossy().contains(needle))
}
