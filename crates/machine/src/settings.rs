//! What a machine is told at its start, and whom it tells what happens.

use std::path::PathBuf;
use std::sync::Arc;

use noon_domain::{BoxFuture, PlatformSink, ProcessId, TimingSink};

use crate::supervise::Rules;

/// The settings of one machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where each process's shim has its directory.
    pub shims_dir: PathBuf,
    /// Where layers stand, each in a directory named by its digest.
    pub layers_dir: PathBuf,
    /// The delays of supervision.
    pub rules: Rules,
    /// The user id of the app with number 0; others follow.
    pub uid_base: u32,
    /// Whether this process is the real root, or what rootless mode made of it.
    pub mode: noon_sandbox::Mode,
}

impl Settings {
    /// Settings with everything but these directories left at its default.
    pub fn new(shims_dir: impl Into<PathBuf>, layers_dir: impl Into<PathBuf>) -> Self {
        Self {
            shims_dir: shims_dir.into(),
            layers_dir: layers_dir.into(),
            rules: Rules::default(),
            uid_base: 200_000,
            mode: noon_sandbox::Mode::Root,
        }
    }
}

/// Resolves when a process that left the router has no request left.
pub type DrainedFn = Arc<dyn Fn(ProcessId) -> BoxFuture<'static, ()> + Send + Sync>;

/// Whom a machine tells what happens.
#[derive(Clone)]
pub struct Hooks {
    /// Takes the platform's lines of apps' logs.
    pub sink: PlatformSink,
    /// Awaited, no longer than the grace, between leaving the router and SIGTERM.
    pub drained: DrainedFn,
    /// Called when there is a new process whose output belongs to a log.
    pub launched: Arc<dyn Fn() + Send + Sync>,
    /// Takes how long processes of formations took to boot and to stop.
    pub timed: TimingSink,
}

impl Hooks {
    /// Hooks that tell nobody.
    pub fn none() -> Self {
        Self {
            sink: Arc::new(|_| {}),
            drained: Arc::new(|_| Box::pin(std::future::ready(()))),
            launched: Arc::new(|| {}),
            timed: Arc::new(|_| {}),
        }
    }
}
