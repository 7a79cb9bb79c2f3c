//! What the operator decides about builds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use noon_domain::{Network, StackName};

/// Where builds keep things, and what they may use. All directories are on one file system.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds the layers, each named by its digest.
    pub layers_dir: PathBuf,
    /// Holds what builds remember, per app, and the tools that the stack lacks.
    pub cache_dir: PathBuf,
    /// Holds what builds under way write.
    pub work_dir: PathBuf,
    /// Takes what is no longer wanted, until it is swept.
    pub trash_dir: PathBuf,
    /// The operator's environment for every step, such as `SSL_CERT_FILE` or proxies.
    pub build_env: BTreeMap<String, String>,
    /// The stack on which slugs are built.
    pub stack: StackName,
    /// What one build may use.
    pub limits: BuildLimits,
    /// What the steps reach that fetch dependencies and tools. All others reach nothing.
    pub network: Network,
    /// How long a layer that a build has just used is spared by `collect`, so that its slug can
    /// be recorded before anyone takes it for garbage.
    pub grace: Duration,
}

/// What one build may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// The most that a slug may hold, in bytes.
    pub slug_bytes: u64,
    /// How long all steps may take together.
    pub time: Duration,
    /// Memory of a step, in bytes; `None` is without limit.
    pub memory: Option<u64>,
    /// Processes and threads of a step.
    pub tasks: Option<u32>,
}

impl Default for BuildLimits {
    /// 500 MiB and 15 minutes.
    fn default() -> Self {
        Self {
            slug_bytes: 500 << 20,
            time: Duration::from_secs(15 * 60),
            memory: None,
            tasks: Some(4096),
        }
    }
}
