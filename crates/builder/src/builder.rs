//! The verb: build.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Instant;

use noon_domain::{AppId, AppName, BuildFailure, BuildId, Engine, LayerId, Slug, SourceTree};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use crate::build::Build;
use crate::cache::AppCache;
use crate::detect::{self, Plan, Wishes};
use crate::error::{Error, failure};
use crate::layers::Layers;
use crate::output::Reporter;
use crate::settings::Settings;
use crate::stack::{Fingerprint, Stack};
use crate::trash::Trash;
use crate::tree::plain_path;
use crate::workspace::{self, Workspace};

/// Takes one line of a build's output at a time, without its newline. May block for a moment.
pub type OutputLine = Box<dyn FnMut(&str) + Send>;

/// One build to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose.
    pub app: AppId,
    /// The app's name.
    pub app_name: AppName,
    /// The app's small number.
    pub slot: u32,
    /// Which build.
    pub build: BuildId,
    /// What is built. The builder owns the directory from here on.
    pub source: SourceTree,
    /// Whether the app allows dependencies that no lock file pins.
    pub allow_unlocked: bool,
}

/// Makes slugs of source trees.
pub struct Builder {
    pub(crate) settings: Settings,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) layers: Arc<Layers>,
    pub(crate) trash: Trash,
    pub(crate) stack: Mutex<Option<(Fingerprint, Stack)>>,
    pub(crate) fetching: Mutex<()>,
}

impl Builder {
    /// Makes a builder and its directories, and clears away what builds left that were cut off.
    /// To be called once per process, before the first build.
    ///
    /// # Errors
    /// A directory cannot be made or cleared.
    pub fn new(settings: Settings, engine: Arc<dyn Engine>) -> Result<Self, Error> {
        let dirs = [
            &settings.layers_dir,
            &settings.cache_dir,
            &settings.work_dir,
            &settings.trash_dir,
        ];
        for dir in dirs {
            fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
            fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
                .map_err(Error::io("close to others", dir))?;
        }
        let trash = Trash::new(settings.trash_dir.clone());
        workspace::clear(&settings.work_dir, &trash)?;
        Ok(Self {
            layers: Arc::new(Layers::new(settings.layers_dir.clone(), trash.clone())),
            settings,
            engine,
            trash,
            stack: Mutex::default(),
            fetching: Mutex::default(),
        })
    }

    /// Makes a slug of a source tree, and tells the pusher how it goes. Dropping the future ends
    /// the build. The failure itself is returned and not written to `out`.
    ///
    /// # Errors
    /// The step at which the build ended, and one sentence for the pusher.
    pub async fn build(&self, job: Job, out: OutputLine) -> Result<Slug, BuildFailure> {
        let reporter = Reporter::new(out);
        reporter.step(&format!("Building on the {} stack", self.settings.stack));
        let workspace = self.workspace(&job)?;
        let plan = self.detect(&job).await?;
        reporter.step(&format!("Using builder: {}", plan.builder));
        plan.warnings
            .iter()
            .for_each(|warning| reporter.warn(warning));
        let build = Build {
            builder: self,
            job: &job,
            cache: AppCache::new(&self.settings.cache_dir, job.app),
            ends_at: Instant::now() + self.settings.limits.time,
            reporter,
            workspace,
            plan,
        };
        build.make_slug().await
    }

    /// Moves into the trash every layer that is neither in `keep` nor used by a build just now.
    /// Returns how many.
    ///
    /// # Errors
    /// The layers cannot be read or moved.
    pub async fn collect(&self, keep: &HashSet<LayerId>) -> Result<usize, Error> {
        let (layers, keep, grace) = (self.layers.clone(), keep.clone(), self.settings.grace);
        joined(spawn_blocking(move || layers.collect(&keep, grace)).await)
    }

    /// Deletes what lies in the trash, with rests that leave the disk to others. Returns how many
    /// files and directories it removed.
    ///
    /// # Errors
    /// The trash cannot be read. What cannot be deleted stays and is logged.
    pub async fn sweep_trash(&self) -> Result<u64, Error> {
        let trash = self.trash.clone();
        joined(spawn_blocking(move || trash.sweep()).await)
    }

    /// Forgets what builds of an app remember and downloaded: for an app that is gone, or whose
    /// next build is to start afresh.
    ///
    /// # Errors
    /// The cache cannot be moved.
    pub async fn purge_cache(&self, app: AppId) -> Result<(), Error> {
        let (trash, cache) = (
            self.trash.clone(),
            AppCache::new(&self.settings.cache_dir, app),
        );
        joined(spawn_blocking(move || trash.take(cache.dir())).await)
    }

    fn workspace(&self, job: &Job) -> Result<Workspace, BuildFailure> {
        let dir = self.settings.work_dir.join(workspace::name(job.build));
        Workspace::new(dir, &job.source, self.trash.clone()).map_err(|error| error.at("prepare"))
    }

    async fn detect(&self, job: &Job) -> Result<Plan, BuildFailure> {
        const STEP: &str = "detect";
        let (dir, allow_unlocked) = (job.source.dir.clone(), job.allow_unlocked);
        let tree = blocking(STEP, move || detect::look(&dir)).await?;
        let plan = detect::detect(&tree, Wishes { allow_unlocked })
            .map_err(|refusal| failure(STEP, refusal.0))?;
        if let Some(install) = &plan.install
            && tree.has(install.makes)
        {
            let makes = install.makes;
            return Err(failure(
                STEP,
                format!(
                    "the tree holds {makes}, which the build makes from what is declared: run `git rm -r --cached {makes}` and add it to .gitignore"
                ),
            ));
        }
        check_executables(&plan, job).map(|()| plan)
    }
}

/// Looks whether programs that the Procfile names are there, for they cannot be built later.
fn check_executables(plan: &Plan, job: &Job) -> Result<(), BuildFailure> {
    for (kind, path) in &plan.executables {
        let sentence = match plain_path(&job.source.dir, path) {
            Some((_, found)) if found.is_symlink() => continue,
            Some((_, found)) if !found.is_file() => {
                format!("Procfile starts {kind} with {path}, which is not a file")
            }
            Some((_, found)) if found.permissions().mode() & 0o100 == 0 => format!(
                "Procfile starts {kind} with {path}, which is not executable: run `git update-index --chmod=+x {path}` and commit"
            ),
            Some(_) => continue,
            None => format!("Procfile starts {kind} with {path}, which is not in the tree"),
        };
        return Err(failure("detect", sentence));
    }
    Ok(())
}

/// Does blocking work beside the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    step: &str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, BuildFailure> {
    joined(spawn_blocking(work).await).map_err(|error| error.at(step))
}

fn joined<T>(ended: Result<Result<T, Error>, tokio::task::JoinError>) -> Result<T, Error> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Interrupted),
    }
}
