//! A house for builds: directories, and an engine that really runs steps behind bubblewrap.

mod engine;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noon_builder::{BuildLimits, Builder, Job, Settings};
use noon_domain::{AppId, BuildFailure, BuildId, Commit, Network, Slug, SourceTree, StackName};

pub use engine::BubbleEngine;

/// The directories of one test, a builder in them, and what it ran.
pub struct House {
    pub home: tempfile::TempDir,
    pub engine: Arc<BubbleEngine>,
    pub builder: Builder,
    pub app: AppId,
    pub allow_unlocked: bool,
}

/// One finished build.
pub struct Built {
    pub outcome: Result<Slug, BuildFailure>,
    pub lines: Vec<String>,
    /// The scripts that the engine ran for it.
    pub ran: Vec<String>,
}

impl Built {
    pub fn slug(&self) -> &Slug {
        self.outcome
            .as_ref()
            .unwrap_or_else(|e| panic!("{e}\n{}", self.lines.join("\n")))
    }

    pub fn failure(&self) -> &BuildFailure {
        self.outcome
            .as_ref()
            .expect_err("this build should have failed")
    }

    pub fn says(&self, part: &str) -> bool {
        self.lines.iter().any(|line| line.contains(part))
    }
}

impl House {
    pub fn new() -> Self {
        Self::with_limits(BuildLimits::default())
    }

    pub fn with_limits(limits: BuildLimits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let engine = Arc::new(BubbleEngine::new(at("layers"), at("engine")));
        let builder = Builder::new(settings(home.path(), limits), engine.clone()).unwrap();
        Self {
            home,
            engine,
            builder,
            app: AppId::new(),
            allow_unlocked: false,
        }
    }

    /// Starts a second builder in the same directories, as after a crash.
    pub fn again(&self) -> Builder {
        let settings = settings(self.home.path(), BuildLimits::default());
        Builder::new(settings, self.engine.clone()).unwrap()
    }

    /// Builds a tree of these files. A name that ends in `*` is executable.
    pub async fn push(&self, files: &[(&str, &str)]) -> Built {
        let dir = self
            .home
            .path()
            .join("builds")
            .join(BuildId::new().to_string());
        for (name, content) in files {
            write(&dir, name, content);
        }
        let tree = git_id(&format!("{files:?}"));
        self.build(SourceTree {
            dir,
            commit: tree.clone(),
            tree,
        })
        .await
    }

    pub async fn build(&self, source: SourceTree) -> Built {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let before = self.engine.ran().len();
        let job = Job {
            app: self.app,
            app_name: "demo".parse().unwrap(),
            slot: 1,
            build: BuildId::new(),
            source,
            allow_unlocked: self.allow_unlocked,
        };
        let out = Box::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
        let outcome = self.builder.build(job, out).await;
        let lines = lines.lock().unwrap().clone();
        let ran = self.engine.ran().split_off(before);
        Built {
            outcome,
            lines,
            ran,
        }
    }

    /// The names in one of the house's directories.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.home.path().join(dir)) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Memos and layers: what a failed build must leave alone.
    pub fn memory(&self) -> BTreeMap<String, Vec<String>> {
        let cache = format!("cache/{}", self.app);
        [
            "layers".to_owned(),
            format!("{cache}/source"),
            format!("{cache}/dependencies"),
            format!("{cache}/output"),
        ]
        .into_iter()
        .map(|dir| (dir.clone(), self.names(&dir)))
        .collect()
    }
}

fn settings(home: &Path, limits: BuildLimits) -> Settings {
    Settings {
        layers_dir: home.join("layers"),
        cache_dir: home.join("cache"),
        work_dir: home.join("builds"),
        trash_dir: home.join("trash"),
        build_env: operator_env(),
        stack: StackName::new("debian-12"),
        limits,
        network: Network::Nat,
        grace: Duration::ZERO,
    }
}

fn write(dir: &Path, name: &str, content: &str) {
    use std::os::unix::fs::PermissionsExt;
    let (name, mode) = match name.strip_suffix('*') {
        Some(name) => (name, 0o755),
        None => (name, 0o644),
    };
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// An id like git's: equal for equal trees.
pub fn git_id(text: &str) -> Commit {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:040x}", hasher.finish()).parse().unwrap()
}

/// What the operator of this machine needs to reach registries.
fn operator_env() -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        name.ends_with("_PROXY")
            || name.ends_with("_proxy")
            || name.contains("CERT")
            || name == "REQUESTS_CA_BUNDLE"
    };
    std::env::vars().filter(|(name, _)| wanted(name)).collect()
}

/// Whether steps can be run here; says why not.
pub fn has_walls() -> bool {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let has_bwrap = Command::new("bwrap").arg("--version").output().is_ok();
    if !(is_root && has_bwrap) {
        eprintln!("skipped: needs root and bubblewrap");
    }
    is_root && has_bwrap
}

/// Whether a registry can be reached; says why not.
pub fn has_registry(host: &str) -> bool {
    use std::net::{TcpStream, ToSocketAddrs};
    let offline = std::env::var_os("NOON_TEST_OFFLINE").is_some();
    let reach = |address| TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok();
    let found = !offline
        && (host, 443)
            .to_socket_addrs()
            .is_ok_and(|mut all| all.any(reach));
    if !found {
        eprintln!("skipped: {host} is not reachable, or NOON_TEST_OFFLINE is set");
    }
    found && has_walls()
}

/// The directory of a layer.
pub fn layer_dir(house: &House, slug: &Slug, index: usize) -> PathBuf {
    house
        .home
        .path()
        .join("layers")
        .join(slug.layers[index].id.to_string())
}
