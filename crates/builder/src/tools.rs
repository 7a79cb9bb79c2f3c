//! Tools: what the stack has, and what is fetched where it lacks something.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use noon_domain::{BuildFailure, Mount, Network, Stream};

use crate::Error;
use crate::build::Build;
use crate::builder::blocking;
use crate::error::failure;
use crate::layers::Held;
use crate::stack::{Fingerprint, Stack, question};
use crate::step::Step;
use crate::trash::Trash;
use crate::tree::{Whiteouts, normalise};

/// The uv that is fetched where the stack has none.
pub(crate) const UV_VERSION: &str = "0.13.9";
const FETCH_UV: &str = include_str!("fetch_uv.py");

impl Build<'_> {
    /// uv for a stack without it, fetched once for all apps by a step that runs no app's code.
    pub(crate) async fn fetched_uv(&self, base: &[Held]) -> Result<PathBuf, BuildFailure> {
        let tools = self.builder.settings.cache_dir.join("tools");
        let place = tools.join(format!("uv-{UV_VERSION}"));
        let _one_at_a_time = self.builder.fetching.lock().await;
        if place.join("uv").is_file() {
            return Ok(place);
        }
        self.reporter.detail(&format!("Fetching uv {UV_VERSION}"));
        let fresh = self
            .workspace
            .upper("tools")
            .map_err(|e| e.at("fetch uv"))?;
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
            network: self.builder.settings.network,
        };
        let exit = self.run(step).await?;
        self.expect_success(exit, "fetching uv", "fetch uv")?;
        let trash = self.builder.trash.clone();
        blocking("fetch uv", move || put(&fresh, &place, &trash)).await
    }

    /// Asks the stack for its programs, once for as long as they are the same.
    pub(crate) async fn stack(&self, source: &Held) -> Result<Stack, BuildFailure> {
        let fingerprint = Fingerprint::take();
        let mut known = self.builder.stack.lock().await;
        if let Some((_, stack)) = known.as_ref().filter(|(seen, _)| *seen == fingerprint) {
            return Ok(stack.clone());
        }
        let answers = Arc::new(Mutex::new(Vec::new()));
        let heard = answers.clone();
        let listen = move |stream, bytes: &[u8]| {
            if let (Stream::Stdout, Ok(mut heard)) = (stream, heard.lock()) {
                heard.extend_from_slice(bytes);
            }
        };
        let question = question();
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
}

/// Puts a tool where all builds find it, as noon's own.
fn put(fresh: &Path, place: &Path, trash: &Trash) -> Result<PathBuf, Error> {
    normalise(fresh, Whiteouts::Forbidden, b"")?;
    if let Some(tools) = place.parent() {
        fs::create_dir_all(tools).map_err(Error::io("make", tools))?;
    }
    trash.take(place)?;
    fs::rename(fresh, place).map_err(Error::io("put", place))?;
    Ok(place.to_owned())
}
