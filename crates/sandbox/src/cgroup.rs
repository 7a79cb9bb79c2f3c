//! Limits and certain ends by control groups: v2, v1, both at once, or none.
//!
//! Where no group can be made, a process runs without these limits; `probe` says so. A v2 tree
//! serves to end a sandbox even where no controller is left for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Limits;
use crate::sys::file;

const MOUNT: &str = "/sys/fs/cgroup";
const V2_MAGIC: i64 = 0x6367_7270;
const V1_MAGIC: i64 = 0x0027_e0eb;
/// The group that holds ours.
const PARENT: &str = "noon";

/// The group of the platform's own processes, where it was given one to divide.
const LEAF: &str = "noon-platform";

/// Where groups are made on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Homes {
    pub(crate) v2: Option<PathBuf>,
    pub(crate) memory_v1: Option<PathBuf>,
    pub(crate) pids_v1: Option<PathBuf>,
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
        }
    }

    /// The controllers that our groups can have.
    pub(crate) fn controllers(&self) -> Vec<String> {
        let v2 = self.v2.as_ref().map(|home| home.join("cgroup.controllers"));
        let listed = v2
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        let mut names: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
        let v1 = [("memory", &self.memory_v1), ("pids", &self.pids_v1)];
        names.extend(
            v1.iter()
                .filter(|(_, home)| home.is_some())
                .map(|(name, _)| (*name).to_owned()),
        );
        names
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.v2, &self.memory_v1, &self.pids_v1]
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

/// A container may be told of a path that it cannot see; the mount itself is its group then.
fn below(mount: &Path, own: &str) -> PathBuf {
    let path = mount.join(own.trim_start_matches('/'));
    if path.is_dir() {
        path
    } else {
        mount.to_owned()
    }
}

/// The name of the groups of a shim's directory.
fn name(directory: &Path) -> String {
    // FNV-1a: the same in every version, so that `clear` finds what an older shim made.
    let hash = directory
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3_u64)
        });
    format!("{hash:016x}")
}

/// One group in one hierarchy.
struct Group {
    parent: OwnedFd,
    name: String,
    itself: OwnedFd,
}

impl Group {
    fn make(home: &Path, name: &str, prepare: impl Fn(&OwnedFd)) -> io::Result<Self> {
        let home = file::open_dir(home)?;
        file::mkdir_at(home.as_fd(), PARENT, 0o755)?;
        prepare(&home);
        let parent = open(&home, PARENT)?;
        prepare(&parent);
        file::mkdir_at(parent.as_fd(), name, 0o755)?;
        let itself = open(&parent, name)?;
        Ok(Self {
            parent,
            name: name.to_owned(),
            itself,
        })
    }

    fn set(&self, knob: &str, value: u64) -> io::Result<()> {
        file::write_knob(self.itself.as_fd(), knob, &value.to_string())
    }

    fn read(&self, knob: &str) -> String {
        file::read_knob(self.itself.as_fd(), knob).unwrap_or_default()
    }

    fn remove(&self) -> io::Result<()> {
        remove(self.parent.as_fd(), &self.name)
    }
}

fn open(at: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    file::open_at(at.as_fd(), name, libc::O_RDONLY | libc::O_DIRECTORY)
}

/// The kernel lets go of a group a moment after its last process.
fn remove(parent: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    for _ in 0..500 {
        match file::unlink_at(parent, name, libc::AT_REMOVEDIR) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => return done,
        }
    }
    crate::sys::errno(libc::EBUSY)
}

/// The groups of one sandbox.
#[derive(Default)]
pub(crate) struct Cgroup {
    v2: Option<Group>,
    memory: Option<Group>,
    pids: Option<Group>,
    limits_tasks: bool,
    limits_memory: bool,
}

impl Cgroup {
    /// Makes the groups of a shim's directory, with its limits as far as this machine allows.
    pub(crate) fn make(homes: &Homes, directory: &Path, limits: &Limits) -> Self {
        let name = name(directory);
        let v1 = |home: &Option<PathBuf>, wanted: bool| {
            let home = home.as_ref().filter(|_| wanted)?;
            Group::make(home, &name, |_| ()).ok()
        };
        let mut made = Self {
            v2: homes
                .v2
                .as_ref()
                .and_then(|home| Group::make(home, &name, turn_on).ok()),
            memory: v1(&homes.memory_v1, limits.memory.is_some()),
            pids: v1(&homes.pids_v1, limits.tasks.is_some()),
            limits_tasks: false,
            limits_memory: false,
        };
        made.limit(limits);
        made
    }

    fn limit(&mut self, limits: &Limits) {
        if let Some(bytes) = limits.memory {
            self.limit_memory(bytes);
        }
        // One more for the init inside.
        if let Some(tasks) = limits.tasks.map(|tasks| u64::from(tasks) + 1) {
            let of = self.pids.as_ref().or(self.v2.as_ref());
            self.limits_tasks = of.is_some_and(|group| group.set("pids.max", tasks).is_ok());
        }
    }

    fn limit_memory(&mut self, bytes: u64) {
        // Swap and the rest of a group are bounded where this kernel can.
        if let Some(group) = &self.memory {
            self.limits_memory = group.set("memory.limit_in_bytes", bytes).is_ok();
            let _ = group.set("memory.memsw.limit_in_bytes", bytes);
        } else if let Some(group) = &self.v2 {
            self.limits_memory = group.set("memory.max", bytes).is_ok();
            let _ = group.set("memory.swap.max", 0);
            let _ = group.set("memory.oom.group", 1);
        }
    }

    /// Whether the kernel counts the tasks; if not, an rlimit must.
    pub(crate) fn limits_tasks(&self) -> bool {
        self.limits_tasks
    }

    /// The v2 group, for a fork straight into it.
    pub(crate) fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(|group| group.itself.as_fd())
    }

    /// The doors of the v1 groups; see [`join`].
    pub(crate) fn doors(&self) -> Vec<OwnedFd> {
        let groups = [&self.memory, &self.pids].into_iter().flatten();
        // `tasks`, not `cgroup.procs`: that one waits for a grace period of the whole kernel.
        groups
            .filter_map(|g| file::open_at(g.itself.as_fd(), "tasks", libc::O_WRONLY).ok())
            .collect()
    }

    /// Where a process looks for its memory limit, and the group that tells it.
    pub(crate) fn view(&self) -> Option<(BorrowedFd<'_>, &'static str)> {
        match (&self.memory, &self.v2) {
            (Some(group), _) => Some((group.itself.as_fd(), "/sys/fs/cgroup/memory")),
            (None, Some(group)) if self.limits_memory => {
                Some((group.itself.as_fd(), "/sys/fs/cgroup"))
            }
            _ => None,
        }
    }

    /// Whether the kernel bounds the memory; if not, the shim must watch it.
    pub(crate) fn limits_memory(&self) -> bool {
        self.limits_memory
    }

    /// Ends everything in the group at once; false where this machine has no v2 tree.
    pub(crate) fn kill(&self) -> bool {
        self.v2
            .as_ref()
            .is_some_and(|group| group.set("cgroup.kill", 1).is_ok())
    }

    /// How many processes the kernel ended for want of memory.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let v1 = self
            .memory
            .as_ref()
            .map(|group| group.read("memory.oom_control"));
        let v2 = || self.v2.as_ref().map(|group| group.read("memory.events"));
        let text = v1.or_else(v2).unwrap_or_default();
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "));
        lines
            .next()
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Removes the groups; all their processes have ended.
    pub(crate) fn remove(&self) {
        for group in [&self.v2, &self.memory, &self.pids].into_iter().flatten() {
            // What stays is found again by `clear`.
            let _ = group.remove();
        }
    }
}

/// Turns on the controllers for the groups below, where they are to be had.
fn turn_on(group: &OwnedFd) {
    let listed = |knob| file::read_knob(group.as_fd(), knob).unwrap_or_default();
    let available = listed("cgroup.controllers");
    let wanted = ["memory", "pids"]
        .into_iter()
        .filter(|name| has_word(&available, name));
    let wanted: Vec<&str> = wanted.collect();
    if wanted.is_empty() {
        return;
    }
    let knob = "cgroup.subtree_control";
    let now = listed(knob);
    for controller in wanted.into_iter().filter(|name| !has_word(&now, name)) {
        let _ = file::write_knob(group.as_fd(), knob, &format!("+{controller}"));
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|found| found == word)
}

/// Moves the calling process, which has one thread, through the doors of v1 groups.
pub(crate) fn join(doors: &[OwnedFd]) -> io::Result<()> {
    doors
        .iter()
        .try_for_each(|door| file::write_all(door.as_fd(), b"0"))
}

/// Ends and removes what a killed shim left in its groups.
pub(crate) fn clear(directory: &Path) -> io::Result<()> {
    let name = name(directory);
    for home in Homes::find(false).all().chain(Homes::find(true).all()) {
        let Ok(parent) = file::open_dir(&home.join(PARENT)) else {
            continue;
        };
        let Ok(itself) = open(&parent, &name) else {
            continue;
        };
        // In a v1 group nothing is left: init died with its shim, and everything with init.
        let _ = file::write_knob(itself.as_fd(), "cgroup.kill", "1");
        remove(parent.as_fd(), &name)?;
    }
    Ok(())
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

    #[test]
    fn a_directory_always_gets_the_same_name() {
        assert_eq!(name(Path::new("/run/a")), name(Path::new("/run/a")));
        assert_ne!(name(Path::new("/run/a")), name(Path::new("/run/b")));
    }
}
