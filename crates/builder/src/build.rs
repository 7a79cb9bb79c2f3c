//! One build, from its plan to its slug.

use std::path::PathBuf;
use std::time::Instant;

use noon_domain::{
    BuildFailure, Exit, HealthChecks, Layer, LayerId, LayerKind, Network, Rhythm, Slug,
};

use crate::builder::{Builder, Job, blocking};
use crate::cache::{AppCache, Key};
use crate::detect::{Base, Compile, Plan};
use crate::error::{Error, failure};
use crate::layers::Held;
use crate::output::{Reporter, Trouble};
use crate::slug::{Parts, human, seal};
use crate::step::{Step, Steps};
use crate::workspace::Workspace;

/// Rises when building the same would give something else.
pub(crate) const REVISION: &[u8] = b"1";

/// One build under way.
pub(crate) struct Build<'a> {
    pub(crate) builder: &'a Builder,
    pub(crate) job: &'a Job,
    pub(crate) reporter: Reporter,
    pub(crate) workspace: Workspace,
    pub(crate) cache: AppCache,
    pub(crate) plan: Plan,
    pub(crate) ends_at: Instant,
}

impl Build<'_> {
    /// The plot.
    pub(crate) async fn make_slug(&self) -> Result<Slug, BuildFailure> {
        let source = self.source().await?;
        let mut held = self.stand_on(source).await?;
        if let Some(compile) = &self.plan.compile {
            held.extend(self.compile(compile, &held).await?);
        }
        let slug = self.seal(&held)?;
        held.iter_mut().for_each(|held| self.keep(held));
        Ok(slug)
    }

    /// Says that a layer stays, whatever follows, and remembers how it came to be.
    pub(crate) fn keep(&self, held: &mut Held) {
        held.keep();
        if let Some(key) = held.memo.take() {
            self.cache.remember(&key, &held.layer);
        }
    }

    /// The source and its dependencies, in the order in which they are stacked.
    async fn stand_on(&self, source: Held) -> Result<Vec<Held>, BuildFailure> {
        if self.plan.needs.is_empty() {
            return Ok(vec![source]);
        }
        let stack = self.stack(&source).await?;
        let name = &self.builder.settings.stack;
        stack
            .check(&self.plan, name)
            .map_err(|why| failure("detect", why))?;
        let Some(install) = &self.plan.install else {
            return Ok(vec![source]);
        };
        let dependencies = self.install(install, &stack, &source).await?;
        // What was installed on the whole tree lies on it; else the tree's own files win.
        let mut held = vec![source];
        let at = usize::from(install.base == Base::Source);
        dependencies
            .into_iter()
            .for_each(|layer| held.insert(at, layer));
        Ok(held)
    }

    /// The tree as a layer, known again by git's own id.
    async fn source(&self) -> Result<Held, BuildFailure> {
        const STEP: &str = "close the source";
        let key = Key::of([self.job.source.tree.as_str().as_bytes()]);
        let known = self.cache.recall(LayerKind::Source, &key);
        if let Some(held) = known.and_then(|layer| self.builder.layers.find(layer)) {
            return Ok(held);
        }
        let dir = self.job.source.dir.clone();
        let held = self.close(dir, LayerKind::Source, &[]).await?;
        let mut held = held.ok_or_else(|| failure(STEP, "the tree is empty"))?;
        held.memo = Some(key);
        Ok(held)
    }

    /// What the app's own build makes of source and dependencies, without network. The same of the
    /// same, so it is not done twice.
    async fn compile(&self, compile: &Compile, on: &[Held]) -> Result<Option<Held>, BuildFailure> {
        let layers: Vec<_> = on.iter().map(|held| held.layer.id).collect();
        let key = self.output_key(compile, &layers).await;
        let known = self.cache.recall(LayerKind::Output, &key);
        if let Some(held) = known.and_then(|layer| self.builder.layers.find(layer)) {
            self.reporter
                .step("Nothing has changed since the last build");
            return Ok(Some(held));
        }
        let mut output = self.run_compile(compile, layers).await?;
        if let Some(held) = &mut output {
            held.memo = Some(key);
        }
        Ok(output)
    }

    async fn run_compile(
        &self,
        compile: &Compile,
        layers: Vec<LayerId>,
    ) -> Result<Option<Held>, BuildFailure> {
        const STEP: &str = "build";
        self.reporter.step(&compile.announce);
        let upper = self.workspace.upper("output").map_err(|e| e.at(STEP))?;
        let step = Step {
            name: STEP,
            script: &compile.script,
            layers: layers.clone(),
            upper: Some(upper.clone()),
            mounts: vec![self.downloads()?],
            network: Network::None,
        };
        let exit = self.run(step).await?;
        self.expect_success(exit, "the build", STEP)?;
        self.close(upper, LayerKind::Output, &layers).await
    }

    /// Everything that the output depends on.
    async fn output_key(&self, compile: &Compile, layers: &[LayerId]) -> Key {
        let known = self.builder.stack.lock().await;
        let stack = known
            .as_ref()
            .map(|(_, stack)| stack.to_string())
            .unwrap_or_default();
        let name = self.builder.settings.stack.as_str();
        let mut parts: Vec<&[u8]> = vec![
            REVISION,
            name.as_bytes(),
            stack.as_bytes(),
            compile.script.as_bytes(),
        ];
        parts.extend(layers.iter().map(|id| id.as_bytes().as_slice()));
        Key::of(parts)
    }

    fn seal(&self, held: &[Held]) -> Result<Slug, BuildFailure> {
        self.reporter.step("Discovering process types");
        let types = &self.plan.process_types;
        let names: Vec<_> = types.iter().map(|(kind, _)| kind.as_str()).collect();
        self.reporter.detail(&format!(
            "{} -> {}",
            self.plan.declared_by,
            names.join(", ")
        ));
        self.report_health();
        let layers: Vec<Layer> = held.iter().map(|held| held.layer.clone()).collect();
        let slug = seal(Parts {
            stack: self.builder.settings.stack.clone(),
            layers,
            process_types: types.clone(),
            health: self.plan.health.clone(),
            commit: self.job.source.commit.clone(),
            builder: self.plan.builder.to_owned(),
        });
        self.check_size(slug.bytes())?;
        let (id, count) = (slug.id.to_string(), slug.layers.len());
        let plural = if count == 1 { "" } else { "s" };
        let size = human(slug.bytes());
        self.reporter.step(&format!(
            "Slug sha256:{} ({size} in {count} layer{plural})",
            &id[..8]
        ));
        Ok(slug)
    }

    fn report_health(&self) {
        let HealthChecks { boot, live } = &self.plan.health;
        if let Some(check) = boot {
            let text = format!("Web processes are up when they answer {check}");
            self.reporter.detail(&text);
        }
        if let Some(check) = live {
            let Rhythm { attempts, wait, .. } = check.rhythm();
            self.reporter.detail(&format!(
                "Web processes are asked {check} every {wait} s, and restarted after {attempts} failures in a row"
            ));
        }
    }

    fn check_size(&self, bytes: u64) -> Result<(), BuildFailure> {
        let limit = self.builder.settings.limits.slug_bytes;
        if bytes <= limit {
            return Ok(());
        }
        let (size, limit) = (human(bytes), human(limit));
        Err(failure(
            "close the slug",
            format!(
                "the slug holds {size}, and may hold {limit}: remove large files and dependencies that the app does not need"
            ),
        ))
    }

    pub(crate) async fn run(&self, step: Step<'_>) -> Result<Exit, BuildFailure> {
        self.steps().run(step, self.reporter.capture()).await
    }

    pub(crate) fn steps(&self) -> Steps<'_> {
        Steps {
            engine: &self.builder.engine,
            settings: &self.builder.settings,
            job: self.job,
            ends_at: self.ends_at,
        }
    }

    pub(crate) async fn close(
        &self,
        dir: PathBuf,
        kind: LayerKind,
        below: &[LayerId],
    ) -> Result<Option<Held>, BuildFailure> {
        let (layers, below) = (self.builder.layers.clone(), below.to_vec());
        blocking("close a layer", move || layers.close(&dir, kind, &below)).await
    }

    /// One sentence where a step ended badly.
    pub(crate) fn expect_success(
        &self,
        exit: Exit,
        what: &str,
        step: &str,
    ) -> Result<(), BuildFailure> {
        let trouble = self.reporter.end_capture();
        let how = match exit {
            Exit::Code(0) => return Ok(()),
            _ if trouble == Some(Trouble::Disk) => return Err(Error::DiskFull.at(step)),
            Exit::Code(code) => format!("exited with {code}"),
            Exit::Signal(9) => "was killed, most likely for want of memory".to_owned(),
            Exit::Signal(signal) => format!("was ended by signal {signal}"),
            Exit::TimedOut => "took too long".to_owned(),
        };
        let hint = match trouble {
            Some(Trouble::Network) => ": the network could not be reached from the build",
            _ => "",
        };
        let app = self.plan.builder;
        let sentence =
            format!("Push rejected, failed to compile {app} app: {what} {how} ({step}){hint}");
        Err(failure(step, sentence))
    }
}
