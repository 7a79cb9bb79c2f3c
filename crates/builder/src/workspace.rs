//! What one build writes while it is under way, gone with it however it ends.

use std::fs;
use std::path::{Path, PathBuf};

use noon_domain::{BuildId, SourceTree};

use crate::Error;
use crate::cache::make_open;
use crate::trash::Trash;

/// Names of workspaces begin so: what else lies in the work directory is not the builder's.
const PREFIX: &str = "build-";

/// The directories of one build. Dropped, they and the source tree are in the trash.
pub(crate) struct Workspace {
    dir: PathBuf,
    source: PathBuf,
    trash: Trash,
}

impl Workspace {
    /// Makes one, and takes charge of the source tree.
    pub(crate) fn new(dir: PathBuf, source: &SourceTree, trash: Trash) -> Result<Self, Error> {
        let workspace = Self {
            dir,
            source: source.dir.clone(),
            trash,
        };
        fs::create_dir(&workspace.dir).map_err(Error::io("make", &workspace.dir))?;
        Ok(workspace)
    }

    /// An empty directory for what a step writes to `/app`, in a private directory of its own.
    pub(crate) fn upper(&self, step: &str) -> Result<PathBuf, Error> {
        let upper = self.dir.join(step).join("upper");
        make_open(&upper)?;
        Ok(upper)
    }

    /// An empty directory that is to become a layer.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, Error> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir).map_err(Error::io("make", &dir))?;
        Ok(dir)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.trash.take_quietly(&self.dir);
        self.trash.take_quietly(&self.source);
    }
}

/// The name of a build's workspace.
pub(crate) fn name(build: BuildId) -> String {
    format!("{PREFIX}{build}")
}

/// Takes away what builds left that were cut off with the whole server.
pub(crate) fn clear(work_dir: &Path, trash: &Trash) -> Result<(), Error> {
    for entry in fs::read_dir(work_dir).map_err(Error::io("read", work_dir))? {
        let entry = entry.map_err(Error::io("read", work_dir))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            trash.take(&entry.path())?;
        }
    }
    Ok(())
}
