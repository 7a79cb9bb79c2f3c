//! Where groups are made on this machine.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::sys::file;

const MOUNT: &str = "/sys/fs/cgroup";
const V2_MAGIC: i64 = 0x6367_7270;
const V1_MAGIC: i64 = 0x0027_e0eb;

/// The group of the platform's own processes, where it was given one to divide.
const LEAF: &str = "noon-platform";

/// The group that nobody is in.
const EMPTY: &str = "noon-empty";

/// Where groups are made on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Homes {
    pub(crate) v2: Option<PathBuf>,
    pub(crate) memory_v1: Option<PathBuf>,
    pub(crate) pids_v1: Option<PathBuf>,
    pub(crate) cpu_v1: Option<PathBuf>,
}

impl Homes {
    /// Looks which hierarchies are mounted.
    ///
    /// # Errors
    /// What keeps one from looking; a machine without any is none.
    pub(crate) fn find(nested: bool) -> io::Result<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup");
        let own = absent(own)?.unwrap_or_default();
        let root = Path::new(MOUNT);
        let v1 = |name: &str| -> io::Result<Option<PathBuf>> {
            let mount = mounted(root.join(name), V1_MAGIC)?;
            let below = |mount: PathBuf| below(&mount, own_path(&own, name));
            mount.map(below).transpose()
        };
        let v2 = match mounted(root.to_owned(), V2_MAGIC)? {
            None => mounted(root.join("unified"), V2_MAGIC)?,
            found => found,
        };
        // Below our own v2 group no controller could be turned on, since we are in it.
        let home = |mount: PathBuf| match nested {
            true => v2_home(&mount, &own),
            false => Ok(mount),
        };
        Ok(Self {
            v2: v2.map(home).transpose()?,
            memory_v1: v1("memory")?,
            pids_v1: v1("pids")?,
            cpu_v1: v1("cpu")?,
        })
    }

    /// Only those in which this user may make groups.
    pub(crate) fn ours(mut self) -> Self {
        let homes = [
            &mut self.v2,
            &mut self.memory_v1,
            &mut self.pids_v1,
            &mut self.cpu_v1,
        ];
        for home in homes {
            *home = home.take().filter(|path| file::may_write(path));
        }
        self
    }

    /// The controllers that our groups can have.
    pub(crate) fn controllers(&self) -> Vec<String> {
        let v2 = self.v2.as_ref().map(|home| home.join("cgroup.controllers"));
        let listed = v2
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        let mut names: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
        let v1 = [
            ("memory", &self.memory_v1),
            ("pids", &self.pids_v1),
            ("cpu", &self.cpu_v1),
        ];
        names.extend(
            v1.iter()
                .filter(|(_, home)| home.is_some())
                .map(|(name, _)| (*name).to_owned()),
        );
        names
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.v2, &self.memory_v1, &self.pids_v1, &self.cpu_v1]
            .into_iter()
            .flatten()
    }
}

/// A path where this kind of file system is mounted.
fn mounted(path: PathBuf, magic: i64) -> io::Result<Option<PathBuf>> {
    let found = absent(file::fs_magic(&path))?;
    Ok((found == Some(magic)).then_some(path))
}

/// What is not there is no error.
fn absent<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The path of our own group in the hierarchy with a controller ("" is v2).
fn own_path<'a>(listing: &'a str, controller: &str) -> &'a str {
    let mut lines = listing
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let found = lines.find(|(names, _)| names.split(',').any(|name| name == controller));
    found.map_or("/", |(_, path)| path)
}

/// The group that was delegated to us: ours, or the one above the leaf that [`settle`] made.
fn v2_home(mount: &Path, own: &str) -> io::Result<PathBuf> {
    let own = own_path(own, "");
    let home = own
        .strip_suffix(LEAF)
        .and_then(|home| home.strip_suffix('/'))
        .unwrap_or(own);
    below(mount, home)
}

/// Moves this process out of the way: a v2 group with processes of its own cannot have
/// controllers for those below. Best effort: without it there are no limits, and `probe` says so.
pub(crate) fn settle() {
    let Some(home) = Homes::find(true).ok().and_then(|homes| homes.v2) else {
        return;
    };
    let leaf = home.join(LEAF);
    let made = std::fs::create_dir(&leaf).is_ok() || leaf.is_dir();
    if made && std::fs::write(leaf.join("cgroup.procs"), "0").is_err() {
        let _ = std::fs::remove_dir(leaf);
    }
}

/// What stands for the v1 groups that a process does not have of its own: a runtime which misses
/// one of them (Java) does not look for the limits in the others. Nothing ever lives in these.
pub(crate) fn empty_groups() -> Vec<(OwnedFd, &'static str)> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let names = ["cpu", "cpuacct", "cpuset"].into_iter();
    let groups = names.filter_map(|name| {
        let mount = mounted(Path::new(MOUNT).join(name), V1_MAGIC).ok()??;
        let home = below(&mount, own_path(&own, name)).ok()?;
        let home = file::open_dir(&home).ok()?;
        file::mkdir_at(home.as_fd(), EMPTY, 0o755).ok()?;
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        Some((file::open_at(home.as_fd(), EMPTY, flags).ok()?, name))
    });
    groups.collect()
}

/// A container may be told of a path that it cannot see; the mount itself is its group then.
fn below(mount: &Path, own: &str) -> io::Result<PathBuf> {
    let path = mount.join(own.trim_start_matches('/'));
    let found = absent(std::fs::metadata(&path))?;
    Ok(found.map_or_else(|| mount.to_owned(), |_| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_by_its_controller() {
        let listing = "9:name=systemd:/a\n5:cpu,cpuacct:/b\n4:memory:/c/d\n0::/e\n";
        assert_eq!(own_path(listing, "memory"), "/c/d");
        assert_eq!(own_path(listing, "cpuacct"), "/b");
        assert_eq!(own_path(listing, ""), "/e");
        assert_eq!(own_path(listing, "pids"), "/");
    }

    #[test]
    fn a_settled_platform_makes_groups_beside_itself() {
        let mount = std::env::temp_dir().join(format!("groups-{}", std::process::id()));
        std::fs::create_dir_all(mount.join("a/noon-platform")).unwrap();
        assert_eq!(
            v2_home(&mount, "0::/a/noon-platform\n").unwrap(),
            mount.join("a")
        );
        assert_eq!(v2_home(&mount, "0::/a\n").unwrap(), mount.join("a"));
        assert_eq!(v2_home(&mount, "0::/not/seen\n").unwrap(), mount);
        std::fs::remove_dir_all(mount).unwrap();
    }
}
