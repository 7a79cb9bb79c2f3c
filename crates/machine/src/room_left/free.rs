//! What is free, as the kernel tells it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::Free;
use super::usage::field;

const GROUPS: &str = "/sys/fs/cgroup";
/// A v1 group without a limit says a number near the largest.
const UNLIMITED: u64 = 1 << 60;

/// Where the machine's processes live, as far as it bounds them.
pub(crate) struct Surroundings<'a> {
    /// Where each shim has its directory.
    pub shims_dir: &'a Path,
    /// A process of ours inside its walls, whose groups tell those of the next.
    pub neighbour: Option<u32>,
    /// Whether all are processes of one ordinary user.
    pub one_user: bool,
    /// Ports of the network bridge.
    pub ports: Option<u64>,
}

impl Free {
    /// Looks what is free now.
    pub fn look(around: &Surroundings<'_>) -> Self {
        let groups = groups(around);
        let disk = rustix::fs::statvfs(around.shims_dir).ok();
        Self {
            memory: least(
                groups
                    .iter()
                    .map(|g| memory_of(g))
                    .chain([machine_memory()]),
            ),
            tasks: least(groups.iter().map(|g| tasks_of(g)).chain([machine_tasks()])),
            user_tasks: around.one_user.then(user_tasks).flatten(),
            descriptors: descriptors(),
            ports: around.ports,
            disk: disk
                .as_ref()
                .map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
            // A file system that makes files as it needs them says that it has none at all.
            files: disk
                .filter(|disk| disk.f_files > 0)
                .map(|disk| disk.f_favail),
        }
    }
}

fn least(all: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    all.flatten().min()
}

/// The groups that bound a process which is started now: those above its own, in each hierarchy.
fn groups(around: &Surroundings<'_>) -> Vec<PathBuf> {
    let (listing, skip) = match around.neighbour {
        Some(pid) => (fs::read_to_string(format!("/proc/{pid}/cgroup")), 1),
        None => (fs::read_to_string("/proc/self/cgroup"), 0),
    };
    let listing = listing.unwrap_or_default();
    let lines = listing.lines().filter_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        // Root's processes do not live below its server in the v2 tree.
        let apart = names.is_empty() && around.neighbour.is_none() && !around.one_user;
        Some((names.to_owned(), if apart { "/" } else { path }.to_owned()))
    });
    lines
        .flat_map(|(names, path)| above(&names, Path::new(&path), skip))
        .collect()
}

fn above(names: &str, path: &Path, skip: usize) -> Vec<PathBuf> {
    let mounts: Vec<PathBuf> = match names {
        "" => vec![GROUPS.into(), Path::new(GROUPS).join("unified")],
        names => names
            .split(',')
            .map(|name| Path::new(GROUPS).join(name))
            .collect(),
    };
    let path = path.strip_prefix("/").unwrap_or(path);
    let groups = mounts.iter().flat_map(|mount| {
        let up = path.ancestors().skip(skip).map(|path| mount.join(path));
        up.collect::<Vec<_>>()
    });
    groups.filter(|group| group.is_dir()).collect()
}

fn number(group: &Path, knob: &str) -> Option<u64> {
    fs::read_to_string(group.join(knob))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// What a group may still take: its limit less what it cannot give back.
fn memory_of(group: &Path) -> Option<u64> {
    let v2 = || {
        Some((
            number(group, "memory.max")?,
            number(group, "memory.current")?,
        ))
    };
    let v1 = || {
        let limit = number(group, "memory.limit_in_bytes")?;
        Some((limit, number(group, "memory.usage_in_bytes")?))
    };
    let (limit, used) = v2().or_else(v1)?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cache = field(&stat, "total_inactive_file ").or_else(|| field(&stat, "inactive_file "));
    let held = used.saturating_sub(cache.unwrap_or(0));
    (limit < UNLIMITED).then(|| limit.saturating_sub(held))
}

fn tasks_of(group: &Path) -> Option<u64> {
    Some(number(group, "pids.max")?.saturating_sub(number(group, "pids.current")?))
}

fn machine_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    Some(field(&meminfo, "MemAvailable:")? * 1024)
}

fn machine_tasks() -> Option<u64> {
    let kernel = Path::new("/proc/sys/kernel");
    let most = number(kernel, "pid_max")?.min(number(kernel, "threads-max")?);
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    Some(most.saturating_sub(all_tasks(&load)?))
}

/// From `0.00 0.01 0.05 2/345 6789`: 345.
fn all_tasks(load: &str) -> Option<u64> {
    let tasks = load.split_ascii_whitespace().nth(3)?;
    tasks.split_once('/')?.1.parse().ok()
}

fn descriptors() -> Option<u64> {
    let most = getrlimit(Resource::Nofile).current?;
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(most.saturating_sub(open as u64))
}

fn user_tasks() -> Option<u64> {
    let most = getrlimit(Resource::Nproc).current?;
    let own = rustix::process::geteuid().as_raw();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let used = processes
        .filter(|entry| {
            entry
                .metadata()
                .is_ok_and(|of| of.is_dir() && of.uid() == own)
        })
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .filter_map(|status| field(&status, "Threads:"));
    Some(most.saturating_sub(used.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn a_group_may_take_its_limit_less_what_it_cannot_give_back() {
        let v2 = ["memory.max", "memory.current"];
        let v1 = ["memory.limit_in_bytes", "memory.usage_in_bytes"];
        for (names, limit, used, stat, free) in [
            (
                v2,
                "1000\n",
                "400\n",
                "anon 1\ninactive_file 100\n",
                Some(700),
            ),
            (v2, "1000\n", "2000\n", "", Some(0)),
            (v2, "max\n", "400\n", "", None),
            (
                v1,
                "1000\n",
                "400\n",
                "inactive_file 9\ntotal_inactive_file 100\n",
                Some(700),
            ),
            (v1, "9223372036854771712\n", "400\n", "", None),
        ] {
            let dir = group(&[(names[0], limit), (names[1], used), ("memory.stat", stat)]);
            assert_eq!(memory_of(dir.path()), free, "{limit:?} {used:?}");
        }
        assert_eq!(memory_of(Path::new("/nowhere")), None);
    }

    #[test]
    fn tasks_are_counted_against_the_groups_limit() {
        for (most, now, free) in [("100\n", "30\n", Some(70)), ("max\n", "30\n", None)] {
            let dir = group(&[("pids.max", most), ("pids.current", now)]);
            assert_eq!(tasks_of(dir.path()), free);
        }
        assert_eq!(all_tasks("0.00 0.01 0.05 2/345 6789\n"), Some(345));
        assert_eq!(all_tasks(""), None);
    }

    #[test]
    fn this_machine_tells_what_it_has() {
        let around = Surroundings {
            shims_dir: Path::new("/"),
            neighbour: None,
            one_user: true,
            ports: None,
        };
        let free = Free::look(&around);
        assert!(free.memory.is_some_and(|bytes| bytes > 0), "{free:?}");
        assert!(free.tasks.is_some_and(|tasks| tasks > 0), "{free:?}");
        assert!(free.descriptors.is_none_or(|count| count > 0), "{free:?}");
        assert!(free.disk.is_some(), "{free:?}");
        assert_eq!(free.ports, None);
    }
}
