//! One step of a build: a script in a sandbox, on layers, through the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use noon_domain::{
    BuildFailure, Engine, EngineError, Exit, Files, Io, LayerId, Limits, Mount, Network, OutputFn,
    ProcessId, ProcessName, ProcessSpec, ProcessType, Secret,
};

use crate::builder::Job;
use crate::error::failure;
use crate::settings::Settings;
use crate::tree::EPOCH;

/// What every script begins with: programs of the app and its tools first, a home outside `/app`,
/// and the first failure ends it.
const PRELUDE: &str = "set -e; umask 022; cd /app; export HOME=/tmp/home; mkdir -p \"$HOME\"; \
    export PATH=/app/.venv/bin:/app/node_modules/.bin:/tools:/usr/local/bin:/usr/bin:/bin";

/// A step: what runs, on what, and what it may reach.
pub(crate) struct Step<'a> {
    /// Its name, as in `install dependencies`.
    pub(crate) name: &'static str,
    /// The commands.
    pub(crate) script: &'a str,
    /// What lies at `/app`, the lowest first.
    pub(crate) layers: Vec<LayerId>,
    /// Where it writes.
    pub(crate) upper: Option<PathBuf>,
    /// Further directories.
    pub(crate) mounts: Vec<Mount>,
    /// What it may reach.
    pub(crate) network: Network,
}

/// Runs the steps of one build.
pub(crate) struct Steps<'a> {
    pub(crate) engine: &'a Arc<dyn Engine>,
    pub(crate) settings: &'a Settings,
    pub(crate) job: &'a Job,
    pub(crate) ends_at: Instant,
}

impl Steps<'_> {
    /// Runs a step to its end.
    ///
    /// # Errors
    /// The engine could not start it, or the build's time is up.
    pub(crate) async fn run(&self, step: Step<'_>, out: OutputFn) -> Result<Exit, BuildFailure> {
        let name = step.name;
        let left = self.ends_at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.too_long(name));
        }
        let limits = Limits {
            time: Some(left),
            memory: self.settings.limits.memory,
            tasks: self.settings.limits.tasks,
            ..Limits::default()
        };
        let ended = self
            .engine
            .run(self.spec(step, limits), Io::Capture(out))
            .await;
        match ended {
            Ok(Exit::TimedOut) => Err(self.too_long(name)),
            Ok(exit) => Ok(exit),
            Err(error) => Err(not_started(name, &error)),
        }
    }

    fn spec(&self, step: Step<'_>, limits: Limits) -> ProcessSpec {
        ProcessSpec {
            id: ProcessId::new(),
            app: self.job.app,
            app_name: self.job.app_name.clone(),
            slot: self.job.slot,
            name: ProcessName {
                kind: ProcessType::build(),
                ordinal: 1,
            },
            release: None,
            files: Files {
                layers: step.layers,
                upper: step.upper,
                mounts: step.mounts,
            },
            command: format!("{PRELUDE}; {}", step.script),
            env: env(&self.settings.build_env),
            reach: step.network.into(),
            size: None,
            limits,
        }
    }

    fn too_long(&self, step: &str) -> BuildFailure {
        let minutes = self.settings.limits.time.as_secs() / 60;
        failure(
            step,
            format!("the build took longer than {minutes} minutes and was stopped ({step})"),
        )
    }
}

fn not_started(step: &str, error: &EngineError) -> BuildFailure {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(step, %error, source, "a build step could not be run");
    failure(
        step,
        format!("noon could not run a step of the build ({step}): {error}"),
    )
}

/// What makes builds repeatable and package managers quiet, and the operator's own on top.
fn env(operator: &BTreeMap<String, String>) -> BTreeMap<String, Secret<String>> {
    let epoch = EPOCH.to_string();
    let fixed = [
        ("SOURCE_DATE_EPOCH", epoch.as_str()),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("PYTHONHASHSEED", "0"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYC_INVALIDATION_MODE", "UNCHECKED_HASH"),
        ("UV_CACHE_DIR", "/cache/uv"),
        ("UV_PYTHON_DOWNLOADS", "never"),
        ("UV_PROJECT_ENVIRONMENT", "/app/.venv"),
        ("UV_COMPILE_BYTECODE", "1"),
        ("UV_LINK_MODE", "copy"),
        ("UV_NO_PROGRESS", "1"),
        ("NODE_ENV", "production"),
        ("npm_config_update_notifier", "false"),
        ("npm_config_progress", "false"),
        ("npm_config_fetch_retries", "2"),
        ("npm_config_fetch_retry_mintimeout", "1000"),
        ("npm_config_fetch_retry_maxtimeout", "5000"),
    ];
    let operator = operator.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    fixed
        .into_iter()
        .chain(operator)
        .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
        .collect()
}
