//! Dependencies: found again by the lock file, or installed.

use std::fs;
use std::path::{Path, PathBuf};

use noon_domain::{BuildFailure, LayerId, LayerKind, Mount};

use crate::build::{Build, REVISION};
use crate::cache::Key;
use crate::detect::{Base, Install, Runtime, Tool};
use crate::error::Error;
use crate::layers::Held;
use crate::stack::Stack;
use crate::step::Step;
use crate::tools::UV_VERSION;

const STEP: &str = "install dependencies";

impl Build<'_> {
    /// The layer of declared dependencies; `None` if installing them made nothing.
    pub(crate) async fn install(
        &self,
        install: &Install,
        stack: &Stack,
        source: &Held,
    ) -> Result<Option<Held>, BuildFailure> {
        let key = key(install, stack, self, source.layer.id);
        if let Some(found) = self.remembered(install, &key) {
            self.reporter.step("Dependencies are unchanged");
            return Ok(Some(found));
        }
        self.reporter.step(&install.announce);
        let base = self.base(install, source)?;
        let mounts = self.mounts(install.tool, stack, &base).await?;
        let upper = self
            .workspace
            .upper("dependencies")
            .map_err(|e| e.at(STEP))?;
        let step = Step {
            name: STEP,
            script: &install.script,
            layers: base.iter().map(|held| held.layer.id).collect(),
            upper: Some(upper.clone()),
            mounts,
            network: self.builder.settings.network,
        };
        let exit = self.run(step).await?;
        self.expect_success(exit, install.tool.name(), STEP)?;
        let below = matches!(install.base, Base::Source).then_some(source.layer.id);
        let layer = self
            .close(upper, LayerKind::Dependencies, below.as_slice())
            .await?;
        Ok(self.settle(install, key, layer))
    }

    fn remembered(&self, install: &Install, key: &Key) -> Option<Held> {
        if !install.is_locked {
            return None;
        }
        let layer = self.cache.recall(LayerKind::Dependencies, key)?;
        self.builder.layers.find(layer)
    }

    /// What was installed stays, even if a later step fails: it is whole and true by itself.
    fn settle(&self, install: &Install, key: Key, mut layer: Option<Held>) -> Option<Held> {
        if let (Some(held), true) = (&mut layer, install.is_locked) {
            held.memo = Some(key);
            self.keep(held);
        }
        layer
    }

    /// What the step sees at `/app`: at least one layer, which is empty where there is no manifest.
    fn base(&self, install: &Install, source: &Held) -> Result<Vec<Held>, BuildFailure> {
        let found = match &install.base {
            Base::Source => self.builder.layers.find(source.layer.clone()),
            Base::Manifests(files) => {
                let dir = self.workspace.fresh("manifests").map_err(|e| e.at(STEP))?;
                write_all(&dir, files).map_err(|e| e.at(STEP))?;
                let closed = self.builder.layers.close(&dir, LayerKind::Source, &[]);
                closed.map_err(|e| e.at(STEP))?
            }
        };
        Ok(found.into_iter().collect())
    }

    async fn mounts(
        &self,
        tool: Tool,
        stack: &Stack,
        base: &[Held],
    ) -> Result<Vec<Mount>, BuildFailure> {
        let mut mounts = vec![self.downloads()?];
        if tool == Tool::Uv && stack.version(Runtime::Uv).is_none() {
            mounts.push(Mount {
                source: self.fetched_uv(base).await?,
                target: PathBuf::from("/tools"),
                writable: false,
            });
        }
        Ok(mounts)
    }

    /// The directory of downloads, as a sandbox sees it.
    pub(crate) fn downloads(&self) -> Result<Mount, BuildFailure> {
        Ok(Mount {
            source: self.cache.downloads().map_err(|e| e.at(STEP))?,
            target: PathBuf::from("/cache"),
            writable: true,
        })
    }
}

/// Everything that the dependencies layer depends on.
fn key(install: &Install, stack: &Stack, build: &Build<'_>, source: LayerId) -> Key {
    let (runtime, tool) = match install.tool {
        Tool::Uv => (
            Runtime::Python,
            stack.version(Runtime::Uv).unwrap_or(UV_VERSION),
        ),
        Tool::Venv => (Runtime::Python, ""),
        Tool::Npm => (
            Runtime::Node,
            stack.version(Runtime::Npm).unwrap_or_default(),
        ),
    };
    let name = build.builder.settings.stack.as_str();
    let runtime = stack.version(runtime).unwrap_or_default();
    let mut parts: Vec<&[u8]> = vec![
        REVISION,
        name.as_bytes(),
        runtime.as_bytes(),
        tool.as_bytes(),
    ];
    parts.push(install.script.as_bytes());
    match &install.base {
        Base::Source => parts.push(source.as_bytes()),
        Base::Manifests(files) => {
            for (name, content) in files {
                parts.extend([name.as_bytes(), content]);
            }
        }
    }
    Key::of(parts)
}

fn write_all(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
    for (name, content) in files {
        let path = dir.join(name);
        fs::write(&path, content).map_err(Error::io("write", &path))?;
    }
    Ok(())
}
