//! What all tests of the walls share: a shim program, a spec, and a process run to its end.
#![expect(unsafe_code, reason = "tests wait as the platform does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fall")]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use noon_sandbox::{
    AppDir, Ended, Error, Limits, Net, Shim, ShimProgram, Spec, Stdio, System, launch, read_exit,
};

/// The shim as cargo built it for this test.
pub fn program() -> &'static ShimProgram {
    static PROGRAM: OnceLock<ShimProgram> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // A second user may not reach the build's own directory: it is given a copy.
        let copy = std::env::var_os("NOON_TEST_SHIM");
        let path = copy.unwrap_or_else(|| env!("CARGO_BIN_EXE_noon-shim").into());
        let bytes = std::fs::read(path).unwrap();
        ShimProgram::from_bytes(bytes.leak()).unwrap()
    })
}

/// Whether these tests can run; says why when not.
pub fn can_run() -> bool {
    let root = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .contains("Uid:\t0\t0");
    if !root {
        eprintln!("skipped: needs root (the rootless suite runs by itself, from rootless.rs)");
    }
    root
}

/// A place of its own for one test, gone with it.
pub struct Ground {
    pub dir: tempfile::TempDir,
    next: AtomicU32,
}

impl Ground {
    pub fn new() -> Self {
        // Read by apps of other users through layers, hence not 0700 itself.
        Self {
            dir: tempfile::tempdir().unwrap(),
            next: AtomicU32::new(0),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn make_dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// A fresh directory for a shim.
    pub fn shim_dir(&self) -> PathBuf {
        let path = self.path(&format!(
            "shim-{}",
            self.next.fetch_add(1, Ordering::Relaxed)
        ));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .unwrap();
        path
    }

    /// Starts a shell with its output in a pipe.
    pub fn start(&self, spec: &Spec) -> Result<Running, Error> {
        let dir = self.shim_dir();
        let shim = launch(program(), &dir, spec, Stdio::Piped)?;
        Ok(Running {
            shim: Some(shim),
            dir,
        })
    }

    /// Runs a shell to its end: what it printed, and how it ended.
    pub fn run(&self, script: &str) -> (String, Ended) {
        self.run_spec(&shell(script))
    }

    pub fn run_spec(&self, spec: &Spec) -> (String, Ended) {
        let mut running = self
            .start(spec)
            .unwrap_or_else(|error| panic!("{}", story(&error)));
        let output = running.read_all();
        (output, running.finish())
    }
}

/// An error with all that lies below it.
pub fn story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(source) = at {
        text = format!("{text}: {source}");
        at = source.source();
    }
    text
}

/// A process under its shim; killed when dropped.
pub struct Running {
    shim: Option<Shim>,
    pub dir: PathBuf,
}

impl Running {
    pub fn shim(&mut self) -> &mut Shim {
        self.shim.as_mut().unwrap()
    }

    pub fn output(&mut self) -> File {
        File::from(self.shim().output().unwrap())
    }

    /// All that is printed until the process has ended.
    pub fn read_all(&mut self) -> String {
        let mut output = self.output();
        self.wait();
        // The shim holds no write end, so that this ends.
        let mut bytes = Vec::new();
        output.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the end, whatever is told before it.
    pub fn wait(&mut self) -> Ended {
        loop {
            wait_readable(self.shim().wait_fd().as_raw_fd(), -1);
            if matches!(self.shim().next_notice(), Ok(None)) {
                break;
            }
        }
        self.shim().status().unwrap().ended.unwrap()
    }

    /// Waits, compares the exit file with what the shim says, and dismisses the shim.
    pub fn finish(mut self) -> Ended {
        let ended = self.wait();
        assert_eq!(
            read_exit(&self.dir),
            Some(ended),
            "the exit file says the same"
        );
        self.shim.take().unwrap().dismiss().unwrap();
        ended
    }

    pub fn forget(mut self) -> (Shim, PathBuf) {
        (self.shim.take().unwrap(), self.dir.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut shim) = self.shim.take() {
            let _ = shim.kill();
            wait_readable(shim.wait_fd().as_raw_fd(), 5000);
            let _ = shim.dismiss();
        }
    }
}

/// Waits until a descriptor is readable or has ended; false when the time is up.
pub fn wait_readable(fd: i32, timeout_ms: i32) -> bool {
    let mut set = [libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }];
    // SAFETY: set is live and has one entry.
    unsafe { libc::poll(set.as_mut_ptr(), 1, timeout_ms) > 0 }
}

/// Reads until a line has come.
pub fn read_line(file: &mut File) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while file.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}

pub fn shell(script: &str) -> Spec {
    Spec {
        label: b"test".to_vec(),
        argv: vec!["/bin/bash".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        cwd: "/app".into(),
        hostname: "web-1".into(),
        uid: 200_001,
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

pub fn layers(spec: Spec, layers: &[&Path]) -> Spec {
    let layers = layers.iter().map(|layer| layer.to_path_buf()).collect();
    Spec {
        app: AppDir {
            layers,
            upper: None,
        },
        ..spec
    }
}

/// The state and the parent of a process.
pub fn stat_fields(pid: &str) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// How many living processes descend from one.
pub fn processes_below(pid: u32) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let children = names.filter(|name| {
        stat_fields(name).is_some_and(|(state, parent)| parent == pid && state != 'Z')
    });
    children
        .map(|name| 1 + processes_below(name.parse().unwrap()))
        .sum()
}

/// Waits for something, within reason.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The group that shares out the CPU to a process.
pub fn cpu_group(pid: u32) -> PathBuf {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |controller: &str| {
        let mut lines = groups
            .lines()
            .map(|line| line.splitn(3, ':').skip(1).collect::<Vec<_>>());
        lines.find_map(|parts| {
            let found = parts[0].split(',').any(|name| name == controller);
            found.then(|| parts[1].trim_start_matches('/').to_owned())
        })
    };
    match path("cpu") {
        Some(path) => Path::new("/sys/fs/cgroup/cpu").join(path),
        None => Path::new("/sys/fs/cgroup").join(path("").unwrap()),
    }
}

/// Both ends of a pipe, as files.
pub fn pipe() -> (File, File) {
    let (read, write) = std::io::pipe().unwrap();
    (
        File::from(OwnedFd::from(read)),
        File::from(OwnedFd::from(write)),
    )
}

/// A descriptor of a process.
pub fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: pidfd_open takes numbers, and its result is ours alone.
    unsafe { OwnedFd::from_raw_fd(libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32) }
}

/// Whose child a process is.
pub fn parent_of(pid: u32) -> u32 {
    stat_fields(&pid.to_string()).unwrap().1
}
