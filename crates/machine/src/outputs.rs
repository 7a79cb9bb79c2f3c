//! The output pipes of running processes, for whoever keeps the logs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use noon_domain::{AppId, ProcessId};

use crate::label::{Label, Role};

/// The read end of one process's output.
#[derive(Debug)]
pub struct Output {
    /// The pipe; what the process printed before is still in it.
    pub pipe: OwnedFd,
    /// Whose.
    pub app: AppId,
    /// The process's name, as in `web.1`.
    pub name: String,
    /// Which run it is.
    pub process: ProcessId,
}

/// Finds the pipes of processes whose output belongs to a log, each once.
#[derive(Debug)]
pub struct OutputScan {
    shims_dir: PathBuf,
    seen: HashSet<OsString>,
    /// When the directory had last changed, if all that was in it then was seen.
    seen_as_of: Option<SystemTime>,
}

/// A file system notes the time of a change so coarsely that two may seem to be one.
const COARSE: Duration = Duration::from_secs(1);

impl OutputScan {
    /// A scan of this directory of shims, that has found nothing yet.
    pub fn new(shims_dir: impl Into<PathBuf>) -> Self {
        Self {
            shims_dir: shims_dir.into(),
            seen: HashSet::new(),
            seen_as_of: None,
        }
    }

    /// The pipes that no earlier scan found. A shim that does not answer yet is asked again by
    /// the next scan.
    pub fn scan(&mut self) -> Vec<Output> {
        let changed = self.changed();
        if changed.is_some() && changed == self.seen_as_of {
            return Vec::new();
        }
        let names = shim_names(&self.shims_dir);
        self.seen.retain(|name| names.contains(name));
        let mut found = Vec::new();
        let mut is_whole = true;
        for name in names {
            if self.seen.contains(&name) {
                continue;
            }
            match ask(&self.shims_dir.join(&name)) {
                Ok(output) => {
                    self.seen.insert(name);
                    found.extend(output);
                }
                Err(error) => {
                    is_whole = false;
                    tracing::debug!(shim = ?name, %error, "no output yet");
                }
            }
        }
        self.seen_as_of = changed.filter(|_| is_whole);
        found
    }

    /// When a shim came or went last; nothing, where that is too short ago to be sure.
    fn changed(&self) -> Option<SystemTime> {
        let changed = self.shims_dir.metadata().ok()?.modified().ok()?;
        changed.elapsed().ok().filter(|age| *age > COARSE)?;
        Some(changed)
    }
}

/// The directories of shims under `dir`.
pub(crate) fn shim_names(dir: &Path) -> HashSet<OsString> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return HashSet::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| !name.as_encoded_bytes().starts_with(b"."))
        .collect()
}

fn ask(dir: &Path) -> Result<Option<Output>, Box<dyn std::error::Error>> {
    let mut shim = noon_sandbox::Shim::connect(dir)?;
    let label = Label::from_bytes(&shim.status()?.label)?;
    if label.role == Role::Attended {
        return Ok(None);
    }
    Ok(Some(Output {
        pipe: shim.output()?,
        app: label.app,
        name: label.name.to_string(),
        process: label.process,
    }))
}
