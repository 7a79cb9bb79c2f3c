//! What this room needs on disk before the first push, and what a crash may have left there.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checkout::discard;
use crate::{Error, Settings};

/// Everything else is decided by `noon git-hook`.
const PRE_RECEIVE: &str = "#!/bin/sh\nexec \"$NOON_EXE\" git-hook\n";

/// How long git may take to finish or give up a push whose server is gone. It has no one to hear
/// a verdict from, so what is in quarantine after that will never be accepted.
const GRACE: Duration = Duration::from_secs(10);

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
    let mut quarantines = Vec::new();
    for path in entries(&settings.repos_dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let objects = path.join("objects");
        if name.starts_with("new-") || name.starts_with("old-") {
            discard(path);
        } else if objects.is_dir() {
            quarantines.extend(
                entries(&objects)?
                    .into_iter()
                    .filter(|path| is_quarantine(path)),
            );
        }
    }
    if !quarantines.is_empty() {
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            quarantines.into_iter().for_each(discard);
        });
    }
    Ok(())
}

fn is_quarantine(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("tmp_objdir-incoming-")
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::files("read", dir))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(Error::files("read", dir))
}
