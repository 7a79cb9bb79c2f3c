//! The engine's port: whatever can run processes. Told what should be, never what changed.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::{
    AppId, AppName, HealthChecks, LayerId, Process, ProcessId, ProcessName, ProcessType, Reach,
    ReleaseId, Secret, Size, Slug, Timeouts, Timestamp, Version,
};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs processes: this machine, or a cluster.
///
/// `converge` and `observe` may be called at any time, by one caller per app at once; all methods
/// are idempotent but `run`, and all may be called for apps that the engine has never seen.
pub trait Engine: Send + Sync {
    /// Makes the app look like `intent`, and returns when it does: new processes are ready and
    /// the old are out of the router and on their way out.
    ///
    /// # Errors
    /// [`EngineError::Boot`] when a process of a *new* release, or a new place, does not become
    /// ready: then what was started for it is stopped again, and what served before serves on.
    /// [`EngineError::NoRoom`] before anything was started.
    fn converge<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<(), EngineError>>;

    /// The app's processes as they are now, one-offs included.
    ///
    /// # Errors
    /// [`EngineError::Failed`].
    fn observe(&self, app: AppId) -> BoxFuture<'_, Result<Vec<Process>, EngineError>>;

    /// Runs one process to its end: a build step, a release phase, a one-off. It stops the
    /// process when the future is dropped, but for `Io::Log`, whose process goes on.
    ///
    /// # Errors
    /// [`EngineError::Failed`] when it could not be started.
    fn run(&self, spec: ProcessSpec, io: Io) -> BoxFuture<'_, Result<Exit, EngineError>>;

    /// Runs a command inside a running process, within the same walls, to its end. It ends with
    /// the process too, and when the future is dropped.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when the process lets nobody in: it does not run, say.
    fn visit(&self, visit: Visit, io: Io) -> BoxFuture<'_, Result<Exit, EngineError>>;

    /// Ends the named processes, with SIGTERM and grace; convergence brings back those that the
    /// formation wants. Returns how many were told to end.
    ///
    /// # Errors
    /// [`EngineError::Failed`].
    fn restart<'a>(
        &'a self,
        app: AppId,
        which: &'a ProcessFilter,
    ) -> BoxFuture<'a, Result<usize, EngineError>>;

    /// Resolves when something may have changed since the last call returned. Carries no data:
    /// look with `observe`.
    fn changed(&self) -> BoxFuture<'_, ()>;
}

/// What an app should look like.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The app.
    pub app: AppId,
    /// Its name, for its environment and its log lines.
    pub app_name: AppName,
    /// The app's small number, from which its user id derives.
    pub slot: u32,
    /// What to run; `None` runs nothing.
    pub release: Option<Arc<Runnable>>,
    /// What its processes reach; one that does not is to be replaced.
    pub reach: Reach,
    /// The places to fill, each once.
    pub places: Vec<Place>,
}

/// A release as an engine needs it: the slug and the environment, and nothing else.
#[derive(Clone, Debug)]
pub struct Runnable {
    /// The release.
    pub id: ReleaseId,
    /// Its number.
    pub version: Version,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it runs.
    pub slug: Slug,
    /// The config vars, by name.
    pub env: BTreeMap<String, Secret<String>>,
}

/// One place of the formation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name, as in `web.1`.
    pub name: ProcessName,
    /// The command, for a shell.
    pub command: String,
    /// A process started before this is to be replaced, even of the same release: a restart.
    pub not_before: Timestamp,
    /// How large it may grow. A process of another size is to be replaced.
    pub size: Size,
    /// How long it may take to boot and to stop; a change replaces nothing.
    pub timeouts: Timeouts,
    /// How it is judged, beside its port.
    pub health: HealthChecks,
}

/// Which processes of an app are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessFilter {
    /// All of the formation. One-offs are meant only by name.
    All,
    /// All of one type.
    Type(ProcessType),
    /// One.
    Name(ProcessName),
}

impl ProcessFilter {
    /// Whether it means this process.
    pub fn matches(&self, name: &ProcessName) -> bool {
        match self {
            Self::All => name.kind != ProcessType::run(),
            Self::Type(kind) => name.kind == *kind,
            Self::Name(one) => name == one,
        }
    }
}

/// One process that is expected to end.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// The identity that it will have.
    pub id: ProcessId,
    /// Whose.
    pub app: AppId,
    /// The app's name.
    pub app_name: AppName,
    /// The app's small number.
    pub slot: u32,
    /// Its name, as in `run.4321`. It is also `$DYNO`.
    pub name: ProcessName,
    /// The release it belongs to; `None` for a build step.
    pub release: Option<Version>,
    /// What it finds at `/app` and beside it.
    pub files: Files,
    /// The command, for a shell.
    pub command: String,
    /// Its whole environment but what the engine adds (`PATH`, `HOME`, `DYNO`, `PORT`).
    pub env: BTreeMap<String, Secret<String>>,
    /// What it reaches.
    pub reach: Reach,
    /// The size that it shows; `None` for a build step.
    pub size: Option<Size>,
    /// What it may use.
    pub limits: Limits,
}

/// A command for a process that runs.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Which run it is.
    pub process: ProcessId,
    /// Its place.
    pub name: ProcessName,
    /// The command, for a shell.
    pub command: String,
    /// Its environment but what the engine adds to the process's own.
    pub env: BTreeMap<String, Secret<String>>,
    /// The commit of the process's slug, where that is known.
    pub commit: Option<String>,
}

/// What a process finds at `/app` and beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Read-only layers under `/app`, the lowest first.
    pub layers: Vec<LayerId>,
    /// Where writes to `/app` go: an empty directory that outlives the process, to become a
    /// layer; `None` is memory that goes with the process.
    pub upper: Option<PathBuf>,
    /// Further directories of the host.
    pub mounts: Vec<Mount>,
}

/// A directory of the host inside a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The directory on the host.
    pub source: PathBuf,
    /// Where it appears. Absolute; not in a system directory.
    pub target: PathBuf,
    /// Whether it can be written.
    pub writable: bool,
}

/// What a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run; it is then stopped as by `restart`, and its log says why.
    pub time: Option<Duration>,
    /// Memory, in bytes: more ends it.
    pub memory: Option<u64>,
    /// Memory, in bytes: more is told, and nothing else done.
    pub memory_quota: Option<u64>,
    /// Its share of the processor where processes compete: 100 is ordinary.
    pub cpu_weight: Option<u32>,
    /// Processes and threads.
    pub tasks: Option<u32>,
    /// What it may write to `/app` and `/tmp` where that is memory, in bytes.
    pub disk: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: None,
            memory: None,
            memory_quota: None,
            cpu_weight: None,
            tasks: Some(4096),
            disk: Some(1 << 30),
        }
    }
}

/// Where output came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stream {
    /// Standard output, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes output as it comes, in order. May block for a moment; the process then waits.
pub type OutputFn = Box<dyn FnMut(Stream, &[u8]) + Send>;

/// What goes into an attached process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Bytes for its standard input.
    Bytes(Vec<u8>),
    /// Its terminal has this size now.
    Resize(WindowSize),
    /// A signal, by number.
    Signal(i32),
    /// Its standard input ends.
    End,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WindowSize {
    /// Across.
    pub columns: u16,
    /// Down.
    pub rows: u16,
}

/// What a process that is expected to end reads and writes.
pub enum Io {
    /// Nothing to read; output goes to the app's log. The process outlives its caller.
    Log,
    /// Nothing to read; output goes to the caller only.
    Capture(OutputFn),
    /// A user at the other end.
    Attached {
        /// A terminal of this size; `None` is pipes, with standard error apart.
        terminal: Option<WindowSize>,
        /// What the user sends. The process is hung up when the sender is dropped.
        input: mpsc::Receiver<Input>,
        /// What the user sees.
        output: OutputFn,
    },
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Exit {
    /// With a status.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// By the platform, for its time was up.
    TimedOut,
}

impl Exit {
    /// Whether it ended well.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Code(0))
    }

    /// The status as a shell shows it: 128 and the signal's number for a signal.
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::TimedOut => 124,
        }
    }
}

/// Why an engine could not.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A process did not become ready.
    #[error("{process} of {release} did not boot: {why}")]
    Boot {
        /// The process.
        process: ProcessName,
        /// Its release.
        release: Version,
        /// One sentence: what it did, and what was expected.
        why: String,
    },
    /// The machine has no room for what was asked.
    #[error("no room for that: {why}")]
    NoRoom {
        /// One sentence: what is short, and by how much.
        why: String,
    },
    /// What was asked cannot be done with that process as it is.
    #[error("{why}")]
    Refused {
        /// One sentence: which process, and why.
        why: String,
    },
    /// Something of the platform failed.
    #[error("{what} failed")]
    Failed {
        /// The act, and on what.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
