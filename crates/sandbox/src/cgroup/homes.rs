//! Where groups are made on this machine.

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
    pub(crate) fn find(nested: bool) -> Self {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let root = Path::new(MOUNT);
        let v2 = [root.to_owned(), root.join("unified")]
            .into_iter()
            .find(|path| is(path, V2_MAGIC));
        let v1 = |name: &str| {
            let mount = Some(root.join(name)).filter(|path| is(path, V1_MAGIC))?;
            Some(below(&mount, own_path(&own, name)))
        };
        // Below our own v2 group no controller could be turned on, since we are in it.
        let v2 = v2.map(|mount| if nested { v2_home(&mount, &own) } else { mount });
        Self {
            v2,
            memory_v1: v1("memory"),
            pids_v1: v1("pids"),
            cpu_v1: v1("cpu"),
        }
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

fn is(path: &Path, magic: i64) -> bool {
    file::fs_magic(path).is_ok_and(|found| found == magic)
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
fn v2_home(mount: &Path, own: &str) -> PathBuf {
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
    let Some(home) = Homes::find(true).v2 else {
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
        let mount = Path::new(MOUNT).join(name);
        let home = is(&mount, V1_MAGIC).then(|| below(&mount, own_path(&own, name)))?;
        let home = file::open_dir(&home).ok()?;
        file::mkdir_at(home.as_fd(), EMPTY, 0o755).ok()?;
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        Some((file::open_at(home.as_fd(), EMPTY, flags).ok()?, name))
    });
    groups.collect()
}

/// A container may be told of a path that it cannot see; the mount itself is its group then.
fn below(mount: &Path, own: &str) -> PathBuf {
    let path = mount.join(own.trim_start_matches('/'));
    if path.is_dir() {
        path
    } else {
        mount.to_owned()
    }
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
        assert_eq!(v2_home(&mount, "0::/a/noon-platform\n"), mount.join("a"));
        assert_eq!(v2_home(&mount, "0::/a\n"), mount.join("a"));
        assert_eq!(v2_home(&mount, "0::/not/seen\n"), mount);
        std::fs::remove_dir_all(mount).unwrap();
    }
}
