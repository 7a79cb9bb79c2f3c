//! Limits and certain ends by control groups: v2, v1, both at once, or none.
//!
//! Where no group can be made, a process runs without these limits; `probe` says so. A v2 tree
//! serves to end a sandbox even where no controller is left for it.

mod cpu;
mod group;
mod homes;
mod memory;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::Limits;
use crate::sys::file;
use group::Group;

pub(crate) use cpu::niceness;
pub(crate) use homes::{Homes, empty_groups, settle};
pub(crate) use memory::{Alarms, Shortage};

/// The groups of one sandbox.
#[derive(Default)]
pub(crate) struct Cgroup {
    v2: Option<Group>,
    memory: Option<Group>,
    pids: Option<Group>,
    cpu: Option<Group>,
    limits_tasks: bool,
    limits_memory: bool,
    limits_cpu: bool,
}

impl Cgroup {
    /// Makes the groups of a shim's directory, with its limits as far as this machine allows.
    pub(crate) fn make(homes: &Homes, directory: &Path, limits: &Limits) -> Self {
        let name = group::name(directory);
        let v1 = |home: &Option<PathBuf>, wanted: bool| {
            let home = home.as_ref().filter(|_| wanted)?;
            Group::make(home, &name, |_| ()).ok()
        };
        let counts_memory = limits.memory.is_some() || limits.memory_quota.is_some();
        let v2 = homes.v2.as_ref();
        let mut made = Self {
            v2: v2.and_then(|home| Group::make(home, &name, group::turn_on).ok()),
            memory: v1(&homes.memory_v1, counts_memory),
            pids: v1(&homes.pids_v1, limits.tasks.is_some()),
            cpu: v1(&homes.cpu_v1, limits.cpu.is_some()),
            ..Self::default()
        };
        made.limit(limits);
        made
    }

    fn limit(&mut self, limits: &Limits) {
        if let Some(bytes) = limits.memory {
            self.limits_memory = self.limit_memory(bytes);
        }
        if let Some(quota) = limits.memory_quota {
            self.prefer_reclaim(quota);
        }
        // One more for the init inside.
        if let Some(tasks) = limits.tasks.map(|tasks| u64::from(tasks) + 1) {
            let of = self.pids.as_ref().or(self.v2.as_ref());
            self.limits_tasks = of.is_some_and(|group| group.set("pids.max", tasks).is_ok());
        }
        if let Some(cpu) = limits.cpu {
            self.limits_cpu = match (&self.cpu, &self.v2) {
                (Some(group), _) => cpu::limit_v1(group, cpu),
                (None, Some(group)) => cpu::limit_v2(group, cpu),
                (None, None) => false,
            };
        }
    }

    /// Whether the kernel counts the tasks; if not, an rlimit must.
    pub(crate) fn limits_tasks(&self) -> bool {
        self.limits_tasks
    }

    /// Whether the kernel shares out the CPU by group; if not, niceness must do.
    pub(crate) fn limits_cpu(&self) -> bool {
        self.limits_cpu
    }

    /// The v2 group, for a fork straight into it.
    pub(crate) fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(|group| group.itself.as_fd())
    }

    /// The doors of the v1 groups; see [`join`].
    pub(crate) fn doors(&self) -> Vec<OwnedFd> {
        let groups = [&self.memory, &self.pids, &self.cpu].into_iter().flatten();
        // `tasks`, not `cgroup.procs`: that one waits for a grace period of the whole kernel.
        groups
            .filter_map(|g| file::open_at(g.itself.as_fd(), "tasks", libc::O_WRONLY).ok())
            .collect()
    }

    /// Where a process looks for its limits, and the groups that tell them.
    pub(crate) fn views(&self) -> Vec<(BorrowedFd<'_>, &'static str)> {
        let v1 = [
            (&self.memory, "/sys/fs/cgroup/memory"),
            (&self.cpu, "/sys/fs/cgroup/cpu"),
        ];
        let v1 = v1.into_iter().filter_map(|(group, target)| {
            group.as_ref().map(|group| (group.itself.as_fd(), target))
        });
        let v1: Vec<_> = v1.collect();
        if !v1.is_empty() {
            return v1;
        }
        match &self.v2 {
            Some(group) if self.limits_memory || self.limits_cpu => {
                vec![(group.itself.as_fd(), "/sys/fs/cgroup")]
            }
            _ => Vec::new(),
        }
    }

    /// Ends everything in the group at once; false where this machine has no v2 tree.
    pub(crate) fn kill(&self) -> bool {
        self.v2
            .as_ref()
            .is_some_and(|group| group.set("cgroup.kill", 1).is_ok())
    }

    /// Removes the groups; all their processes have ended.
    pub(crate) fn remove(&self) {
        let groups = [&self.v2, &self.memory, &self.pids, &self.cpu];
        for group in groups.into_iter().flatten() {
            // What stays is found again by `clear`.
            let _ = group.remove();
        }
    }
}

/// Moves the calling process, which has one thread, through the doors of v1 groups.
pub(crate) fn join(doors: &[OwnedFd]) -> io::Result<()> {
    doors
        .iter()
        .try_for_each(|door| file::write_all(door.as_fd(), b"0"))
}

/// Ends and removes what a killed shim left in its groups.
pub(crate) fn clear(directory: &Path) -> io::Result<()> {
    let name = group::name(directory);
    for (parent, itself) in groups(&name) {
        // In a v1 group nothing is left: init died with its shim, and everything with init.
        let _ = file::write_knob(itself.as_fd(), "cgroup.kill", "1");
        group::remove(parent.as_fd(), &name)?;
    }
    Ok(())
}

/// Ends everything inside the sandbox of a directory, where this machine has a v2 tree.
pub(crate) fn kill(directory: &Path) {
    for (_, itself) in groups(&group::name(directory)) {
        let _ = file::write_knob(itself.as_fd(), "cgroup.kill", "1");
    }
}

/// The groups of a name in all hierarchies, each with the one above it.
fn groups(name: &str) -> Vec<(OwnedFd, OwnedFd)> {
    let homes = [Homes::find(false), Homes::find(true)];
    let found = homes.iter().flat_map(Homes::all).filter_map(|home| {
        let parent = file::open_dir(&home.join(group::PARENT)).ok()?;
        let itself = group::open(&parent, name).ok()?;
        Some((parent, itself))
    });
    found.collect()
}
