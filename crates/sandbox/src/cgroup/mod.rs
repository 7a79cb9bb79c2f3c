//! Limits and certain ends by control groups: v2, v1, both at once, or none.
//!
//! Where a machine has no groups, or lets this user make none, a process runs without these limits;
//! `probe` says so. Where it has them and one cannot be made, nothing is started. A v2 tree serves
//! to end a sandbox even where no controller is left for it.

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
    ///
    /// # Errors
    /// What kept a group or a limit from being made where it may be; nothing is left then.
    pub(crate) fn make(homes: &Homes, directory: &Path, limits: &Limits) -> io::Result<Self> {
        let name = group::name(directory);
        let mut made = Self::default();
        let done = made
            .make_groups(homes, &name, limits)
            .and_then(|()| made.limit(limits));
        match done {
            Ok(()) => Ok(made),
            Err(error) => {
                made.remove();
                Err(error)
            }
        }
    }

    fn make_groups(&mut self, homes: &Homes, name: &str, limits: &Limits) -> io::Result<()> {
        let v1 = |home: &Option<PathBuf>, wanted: bool| {
            let home = home.as_ref().filter(|_| wanted);
            let made = home.map(|home| Group::make(home, name, |_| ()));
            made.map_or(Ok(None), permitted)
        };
        let counts_memory = limits.memory.is_some() || limits.memory_quota.is_some();
        self.memory = v1(&homes.memory_v1, counts_memory)?;
        self.pids = v1(&homes.pids_v1, limits.tasks.is_some())?;
        self.cpu = v1(&homes.cpu_v1, limits.cpu.is_some())?;
        let v2 = homes.v2.as_ref();
        let v2 = v2.map(|home| Group::make(home, name, group::turn_on));
        self.v2 = v2.map_or(Ok(None), permitted)?;
        Ok(())
    }

    fn limit(&mut self, limits: &Limits) -> io::Result<()> {
        if let Some(bytes) = limits.memory {
            self.limits_memory = taken(self.limit_memory(bytes))?;
        }
        if let Some(quota) = limits.memory_quota {
            self.prefer_reclaim(quota);
        }
        // One more for the init inside.
        if let Some(tasks) = limits.tasks.map(|tasks| u64::from(tasks) + 1) {
            let of = self.pids.as_ref().or(self.v2.as_ref());
            let done = of.map_or_else(no_group, |group| group.set("pids.max", tasks));
            self.limits_tasks = taken(done)?;
        }
        if let Some(cpu) = limits.cpu {
            let done = match (&self.cpu, &self.v2) {
                (Some(group), _) => cpu::limit_v1(group, cpu),
                (None, Some(group)) => cpu::limit_v2(group, cpu),
                (None, None) => no_group(),
            };
            self.limits_cpu = taken(done)?;
        }
        Ok(())
    }

    /// Gives up the v2 group, which may be made but not entered; what it bounded is bounded no more.
    pub(crate) fn give_up_v2(&mut self) {
        let Some(group) = self.v2.take() else { return };
        let _ = group.remove();
        self.limits_memory &= self.memory.is_some();
        self.limits_tasks &= self.pids.is_some();
        self.limits_cpu &= self.cpu.is_some();
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
    pub(crate) fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let groups = [&self.memory, &self.pids, &self.cpu].into_iter().flatten();
        // `tasks`, not `cgroup.procs`: that one waits for a grace period of the whole kernel.
        groups
            .map(|g| file::open_at(g.itself.as_fd(), "tasks", libc::O_WRONLY))
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

/// A user who may not make a group has none. Whatever else goes wrong is no reason to go without.
fn permitted<T>(made: io::Result<T>) -> io::Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) if is_not_permitted(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a limit stands. Some kernels lack a controller or a file of it, and some of its values.
fn taken(done: io::Result<()>) -> io::Result<bool> {
    use io::ErrorKind::{InvalidInput, NotFound};
    match permitted(done) {
        Ok(done) => Ok(done.is_some()),
        Err(error) if matches!(error.kind(), InvalidInput | NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn no_group() -> io::Result<()> {
    Err(io::ErrorKind::NotFound.into())
}

/// Whether this user may not, rather than that it went wrong.
pub(crate) fn is_not_permitted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    matches!(code, Some(libc::EPERM | libc::EACCES | libc::EROFS))
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
    for (parent, itself) in groups(&name)? {
        // In a v1 group nothing is left: init died with its shim, and everything with init.
        let _ = file::write_knob(itself.as_fd(), "cgroup.kill", "1");
        group::remove(parent.as_fd(), &name)?;
    }
    Ok(())
}

/// Ends everything inside the sandbox of a directory, where this machine has a v2 tree.
pub(crate) fn kill(directory: &Path) {
    for (_, itself) in groups(&group::name(directory)).unwrap_or_default() {
        let _ = file::write_knob(itself.as_fd(), "cgroup.kill", "1");
    }
}

/// The groups of a name in all hierarchies, each with the one above it.
fn groups(name: &str) -> io::Result<Vec<(OwnedFd, OwnedFd)>> {
    let homes = [Homes::find(false)?, Homes::find(true)?];
    let found = homes.iter().flat_map(Homes::all).filter_map(|home| {
        let parent = file::open_dir(&home.join(group::PARENT)).ok()?;
        let itself = group::open(&parent, name).ok()?;
        Some((parent, itself))
    });
    Ok(found.collect())
}
