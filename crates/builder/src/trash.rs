//! Where directories go that nobody wants, and how they leave without stalling a deploy.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use crate::Error;

/// After this many removals the sweeper rests, so that deploys get the disk.
const BATCH: u32 = 256;
/// How long it rests.
const REST: Duration = Duration::from_millis(20);
/// Directories deeper than this are moved to the top first: no path grows too long.
const DEEP: usize = 12;

/// The trash: one directory on the file system of all that may land in it.
#[derive(Clone, Debug)]
pub(crate) struct Trash {
    dir: PathBuf,
}

impl Trash {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Moves a file or directory into the trash; it being gone already is fine.
    pub(crate) fn take(&self, path: &Path) -> Result<(), Error> {
        match fs::rename(path, self.dir.join(Uuid::new_v4().to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("move into the trash", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Like `take`, where nobody is left to tell.
    pub(crate) fn take_quietly(&self, path: &Path) {
        if let Err(error) = self.take(path) {
            tracing::warn!(%error, "left something behind");
        }
    }

    /// Deletes all that lies in the trash, with rests. Returns how many entries it removed.
    pub(crate) fn sweep(&self) -> Result<u64, Error> {
        let mut sweeper = Sweeper {
            dir: &self.dir,
            removed: 0,
            since_rest: 0,
        };
        let before = |s: &Sweeper<'_>| s.removed;
        loop {
            let seen = before(&sweeper);
            let left = sweeper.sweep_top()?;
            if left == 0 || sweeper.removed == seen {
                return Ok(sweeper.removed);
            }
        }
    }
}

struct Sweeper<'a> {
    dir: &'a Path,
    removed: u64,
    since_rest: u32,
}

impl Sweeper<'_> {
    /// One pass; returns how many entries it met at the top.
    fn sweep_top(&mut self) -> Result<usize, Error> {
        let mut met = 0;
        for entry in fs::read_dir(self.dir).map_err(Error::io("read", self.dir))? {
            let path = entry.map_err(Error::io("read", self.dir))?.path();
            met += 1;
            if let Err(error) = self.remove(&path, 0) {
                tracing::warn!(path = %path.display(), %error, "could not sweep");
            }
        }
        Ok(met)
    }

    fn remove(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_dir() {
            return fs::remove_file(path).map(|()| self.count());
        }
        if depth > DEEP {
            return fs::rename(path, self.dir.join(Uuid::new_v4().to_string()));
        }
        if metadata.permissions().mode() & 0o700 != 0o700 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        for entry in fs::read_dir(path)? {
            self.remove(&entry?.path(), depth + 1)?;
        }
        fs::remove_dir(path).map(|()| self.count())
    }

    fn count(&mut self) {
        self.removed += 1;
        self.since_rest += 1;
        if self.since_rest == BATCH {
            self.since_rest = 0;
            std::thread::sleep(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_removes_deep_and_locked_trees_and_leaves_what_links_point_at() {
        let home = tempfile::tempdir().unwrap();
        let (trash_dir, outside) = (home.path().join("trash"), home.path().join("outside"));
        fs::create_dir_all(&trash_dir).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let tree = home.path().join("tree");
        let deep: PathBuf = std::iter::repeat_n("d", 200).collect();
        fs::create_dir_all(tree.join(&deep)).unwrap();
        fs::write(tree.join(&deep).join("f"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
        fs::create_dir(tree.join("locked")).unwrap();
        fs::write(tree.join("locked/f"), "x").unwrap();
        fs::set_permissions(tree.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();

        let trash = Trash::new(trash_dir.clone());
        trash.take(&tree).unwrap();
        trash.take(&home.path().join("never was")).unwrap();
        assert!(!tree.exists());
        assert_eq!(trash.sweep().unwrap(), 205);
        assert_eq!(fs::read_dir(&trash_dir).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }
}
