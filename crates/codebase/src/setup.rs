//! What this room needs on disk before the first push, and what a crash may have left there.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checkout::discard;
use crate::{Error, Settings};

/// Everything else is decided by `noon git-hook`.
const PRE_RECEIVE: &str = "#!/bin/sh\nexec \"$NOON_EXE\" git-hook\n";

/// A quarantine that nobody touched for so long belongs to no push.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the directories and the hook, and gives the settings with absolute paths.
pub(crate) fn set_up(mut settings: Settings) -> Result<Settings, Error> {
    for dir in [
        &mut settings.repos_dir,
        &mut settings.checkouts_dir,
        &mut settings.run_dir,
    ] {
        make_dir(dir)?;
        *dir = dir.canonicalize().map_err(Error::files("find", dir))?;
    }
    make_dir(&settings.hooks_dir())?;
    make_dir(&settings.home_dir())?;
    let hook = settings.hooks_dir().join("pre-receive");
    fs::write(&hook, PRE_RECEIVE).map_err(Error::files("write", &hook))?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&hook, executable).map_err(Error::files("write", &hook))?;
    clean_up(&settings)?;
    Ok(settings)
}

fn make_dir(dir: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(Error::files("make", dir))
}

fn clean_up(settings: &Settings) -> Result<(), Error> {
    for path in entries(&settings.checkouts_dir)? {
        if path.is_dir() && !path.is_symlink() {
            discard(path);
        } else {
            fs::remove_file(&path).map_err(Error::files("remove", &path))?;
        }
    }
    for path in entries(&settings.repos_dir)? {
        let objects = path.join("objects");
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with("new-") || name.starts_with("old-") => discard(path),
            Some(name) if name.ends_with(".git") && objects.is_dir() => clean_up_objects(&objects)?,
            _ => {}
        }
    }
    Ok(())
}

/// Removes the quarantines of pushes that were killed with their machine.
fn clean_up_objects(objects: &Path) -> Result<(), Error> {
    for path in entries(objects)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let changed = fs::metadata(&path)
            .and_then(|metadata| metadata.modified())
            .ok();
        let age = changed
            .and_then(|changed| changed.elapsed().ok())
            .unwrap_or_default();
        if name.starts_with("tmp_objdir-incoming-") && age > ABANDONED {
            discard(path);
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::files("read", dir))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(Error::files("read", dir))
}
