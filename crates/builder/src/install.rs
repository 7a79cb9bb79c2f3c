//! Dependencies: found again by the lock file, or installed.

use std::fs;
use std::path::{Path, PathBuf};

use noon_domain::{BuildFailure, Exit, LayerId, LayerKind, Mount, Network, Stream};

use crate::builder::{Build, blocking};
use crate::cache::Key;
use crate::detect::{Base, Install, Runtime, Tool};
use crate::error::{Error, failure};
use crate::layers::Held;
use crate::stack::Stack;
use crate::step::Step;

/// Rises when installing the same would give something else.
const REVISION: &[u8] = b"1";
/// The uv that is fetched where the stack has none.
const UV_VERSION: &str = "0.13.9";
const FETCH_UV: &str = include_str!("fetch_uv.py");
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
            network: Network::Egress,
        };
        let exit = self.run(step).await?;
        self.expect_success(exit, install.tool.name(), STEP)?;
        let below = matches!(install.base, Base::Source).then_some(source.layer.id);
        let layer = self
            .close(upper, LayerKind::Dependencies, below.as_slice())
            .await?;
        self.settle(install, &key, layer)
    }

    fn remembered(&self, install: &Install, key: &Key) -> Option<Held> {
        if !install.is_locked {
            return None;
        }
        let layer = self.cache.recall(LayerKind::Dependencies, key)?;
        self.builder.layers.find(layer)
    }

    /// What was installed stays, even if a later step fails: it is whole and true by itself.
    fn settle(
        &self,
        install: &Install,
        key: &Key,
        mut layer: Option<Held>,
    ) -> Result<Option<Held>, BuildFailure> {
        if let (Some(held), true) = (&mut layer, install.is_locked) {
            held.keep();
            self.cache
                .remember(key, &held.layer)
                .map_err(|e| e.at(STEP))?;
        }
        Ok(layer)
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

    /// uv for a stack without it, fetched once for all apps by a step that runs no app's code.
    async fn fetched_uv(&self, base: &[Held]) -> Result<PathBuf, BuildFailure> {
        let tools = self.builder.settings.cache_dir.join("tools");
        let place = tools.join(format!("uv-{UV_VERSION}"));
        let _one_at_a_time = self.builder.fetching.lock().await;
        if place.join("uv").is_file() {
            return Ok(place);
        }
        self.reporter.detail(&format!("Fetching uv {UV_VERSION}"));
        let fresh = self.workspace.upper("tools").map_err(|e| e.at(STEP))?;
        let script = format!("python3 - {UV_VERSION} /tools <<'NOON'\n{FETCH_UV}\nNOON");
        let step = Step {
            name: "fetch uv",
            script: &script,
            layers: base.iter().map(|held| held.layer.id).collect(),
            upper: None,
            mounts: vec![Mount {
                source: fresh.clone(),
                target: PathBuf::from("/tools"),
                writable: true,
            }],
            network: Network::Egress,
        };
        let exit = self.run(step).await?;
        self.expect_success(exit, "fetching uv", "fetch uv")?;
        let trash = self.builder.trash.clone();
        blocking(STEP, move || put(&fresh, &place, &trash)).await
    }

    /// Asks the stack for its programs, once for as long as they are the same.
    pub(crate) async fn stack(&self, source: &Held) -> Result<Stack, BuildFailure> {
        let fingerprint = crate::stack::Fingerprint::take();
        let mut known = self.builder.stack.lock().await;
        if let Some((_, stack)) = known.as_ref().filter(|(seen, _)| *seen == fingerprint) {
            return Ok(stack.clone());
        }
        let answers = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = answers.clone();
        let listen = move |stream, bytes: &[u8]| {
            if let (Stream::Stdout, Ok(mut heard)) = (stream, heard.lock()) {
                heard.extend_from_slice(bytes);
            }
        };
        let question = crate::stack::question();
        let step = Step {
            name: "look at the stack",
            script: &question,
            layers: vec![source.layer.id],
            upper: None,
            mounts: Vec::new(),
            network: Network::None,
        };
        let exit = self.steps().run(step, Box::new(listen)).await?;
        if !exit.is_success() {
            return Err(failure(
                "look at the stack",
                "noon could not ask the stack for its programs",
            ));
        }
        let answers = answers
            .lock()
            .map(|heard| heard.clone())
            .unwrap_or_default();
        let stack = Stack::read(&String::from_utf8_lossy(&answers));
        *known = Some((fingerprint, stack.clone()));
        Ok(stack)
    }

    /// One sentence where a step ended badly.
    pub(crate) fn expect_success(
        &self,
        exit: Exit,
        what: &str,
        step: &str,
    ) -> Result<(), BuildFailure> {
        let disk_was_full = self.reporter.end_capture();
        let how = match exit {
            Exit::Code(0) => return Ok(()),
            _ if disk_was_full => return Err(Error::DiskFull.at(step)),
            Exit::Code(code) => format!("exited with {code}"),
            Exit::Signal(9) => "was killed, most likely for want of memory".to_owned(),
            Exit::Signal(signal) => format!("was ended by signal {signal}"),
            Exit::TimedOut => "took too long".to_owned(),
        };
        let sentence = format!(
            "Push rejected, failed to compile {} app: {what} {how} ({step})",
            self.builder_name()
        );
        Err(failure(step, sentence))
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

/// Puts a tool where all builds find it, as noon's own.
fn put(fresh: &Path, place: &Path, trash: &crate::trash::Trash) -> Result<PathBuf, Error> {
    crate::tree::normalise(fresh, crate::tree::Whiteouts::Forbidden, b"")?;
    if let Some(tools) = place.parent() {
        fs::create_dir_all(tools).map_err(Error::io("make", tools))?;
    }
    trash.take(place)?;
    fs::rename(fresh, place).map_err(Error::io("put", place))?;
    Ok(place.to_owned())
}
