//! The data directory: what stands where in it, and who may hold it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::ServerError;

/// The directory of shims, one for each process that runs.
pub const SHIMS: &str = "shims";

/// The data directory.
#[derive(Clone, Debug)]
pub struct Data(PathBuf);

impl Data {
    /// Makes the directory and its rooms where they are missing. They are the owner's alone but
    /// for the layers, which apps' users walk through.
    pub fn prepare(dir: PathBuf) -> Result<Self, ServerError> {
        let data = Self(dir);
        make(&data.0, 0o711)?;
        for private in [
            "run",
            "repos",
            "cache",
            "builds",
            "logs",
            "trash",
            "checkouts",
        ] {
            make(&data.0.join(private), 0o700)?;
        }
        for walked in [SHIMS, "layers"] {
            make(&data.0.join(walked), 0o711)?;
        }
        Ok(data)
    }

    /// Takes hold of the directory for as long as the file lives.
    ///
    /// # Errors
    /// Where another server holds it.
    pub fn hold(&self) -> Result<File, ServerError> {
        let path = self.0.join("lock");
        let failed = |error| ServerError::failed(format!("cannot lock {}", path.display()), error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(failed)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(ServerError(format!(
                "another noon server runs on {}: stop it, or set NOON_DATA_DIR to another place",
                self.0.display()
            ))),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// A place in the directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where control keeps the newest routes, for a router that starts while control is away.
    pub fn kept_routes(&self) -> PathBuf {
        self.0.join("run/routes.json")
    }

    /// A socket of the platform's own.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.0.join("run").join(format!("{name}.sock"))
    }
}

fn make(dir: &Path, mode: u32) -> Result<(), ServerError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(dir);
    let failed = |error| ServerError::failed(format!("cannot make {}", dir.display()), error);
    made.map_err(failed)?;
    fs::metadata(dir).map(drop).map_err(failed)
}
