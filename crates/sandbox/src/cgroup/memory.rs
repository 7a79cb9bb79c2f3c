//! Memory: bounding it, counting it, and who ran out of it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::Cgroup;
use super::group::Group;
use crate::Ended;
use crate::shim::memory::Used;
use crate::sys::file;

/// How one version of the groups calls things.
struct Words {
    usage: &'static str,
    stat: &'static str,
    /// The files that the kernel could take back at once, in `stat`.
    cache: [&'static str; 2],
    kills: &'static str,
}

const V1: Words = Words {
    usage: "memory.usage_in_bytes",
    stat: "memory.stat",
    cache: ["total_inactive_file", "total_active_file"],
    kills: "memory.oom_control",
};
const V2: Words = Words {
    usage: "memory.current",
    stat: "memory.stat",
    cache: ["inactive_file", "active_file"],
    kills: "memory.events",
};

/// So near to its limit a group has met it: the kernel asks for several pages at once.
const NEAR: u64 = 256 << 10;

/// Whose memory ran out when the kernel ended a process for want of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// The process's own limit was reached.
    Own,
    /// The machine, or a group above, had no more.
    Machines,
}

impl Shortage {
    pub(crate) fn ended(self) -> Ended {
        match self {
            Self::Own => Ended::OutOfMemory,
            Self::Machines => Ended::MachineOutOfMemory,
        }
    }
}

/// What says by itself that something happened to the memory of a v1 group. Of v2 one must ask.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    /// The quota was passed, upwards or downwards.
    pub(crate) quota: Option<OwnedFd>,
    /// The limit is reached and nothing can be taken back.
    pub(crate) limit: Option<OwnedFd>,
}

impl Cgroup {
    /// Bounds the memory of whatever group counts it.
    pub(super) fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        // Swap and the rest of a group are bounded where this kernel can.
        if let Some(group) = &self.memory {
            group.set("memory.limit_in_bytes", bytes)?;
            let _ = group.set("memory.memsw.limit_in_bytes", bytes);
            Ok(())
        } else if let Some(group) = &self.v2 {
            group.set("memory.max", bytes)?;
            let _ = group.set("memory.swap.max", 0);
            let _ = group.set("memory.oom.group", 1);
            Ok(())
        } else {
            super::no_group()
        }
    }

    /// Lets the kernel take back first from those beyond their quota, when the machine has little.
    /// v2 has no such word: `memory.high` would stop the process, and `memory.low` needs the sum.
    pub(super) fn prefer_reclaim(&self, quota: u64) {
        if let Some(group) = &self.memory {
            let _ = group.set("memory.soft_limit_in_bytes", quota);
        }
    }

    /// Whether the kernel bounds the memory; if not, the shim must watch it.
    pub(crate) fn limits_memory(&self) -> bool {
        self.limits_memory
    }

    /// Whether the kernel counts the memory; if not, the shim must.
    pub(crate) fn counts_memory(&self) -> bool {
        self.accountant().is_some()
    }

    /// The group that counts the memory, and its words.
    fn accountant(&self) -> Option<(&Group, &'static Words)> {
        match (&self.memory, &self.v2) {
            (Some(group), _) => Some((group, &V1)),
            (None, Some(group)) if group.has(V2.usage) => Some((group, &V2)),
            _ => None,
        }
    }

    /// What the sandbox uses. Files that could be taken back at once are left out of what it needs
    /// where more than `enough` is charged. Nothing where nobody counts.
    pub(crate) fn memory_used(&self, enough: u64) -> Used {
        let Some((group, words)) = self.accountant() else {
            return Used::default();
        };
        let charged = group.read(words.usage).trim().parse().unwrap_or(0);
        let spare = match charged > enough {
            true => cache(&group.read(words.stat), words),
            false => 0,
        };
        Used {
            charged,
            needed: charged.saturating_sub(spare),
        }
    }

    /// Asks a v1 group to say when its memory passes `quota`, and when it runs out.
    pub(crate) fn alarms(&self, quota: Option<u64>) -> Alarms {
        let Some(group) = &self.memory else {
            return Alarms::default();
        };
        Alarms {
            quota: quota.and_then(|bytes| alarm(group, V1.usage, &bytes.to_string()).ok()),
            limit: alarm(group, V1.kills, "").ok(),
        }
    }

    /// Whether an own limit of a v1 group has ever stood in the way.
    pub(crate) fn met_limit(&self) -> bool {
        let Some(group) = &self.memory else {
            return false;
        };
        let number = |knob: &str| group.read(knob).trim().parse::<u64>().unwrap_or(0);
        ["memory", "memory.memsw"].into_iter().any(|name| {
            // Linux 6.18 no longer counts the failures; the peak tells as much.
            let peak = number(&format!("{name}.max_usage_in_bytes"));
            let limit = number(&format!("{name}.limit_in_bytes"));
            number(&format!("{name}.failcnt")) > 0 || (limit > 0 && peak + NEAR >= limit)
        })
    }

    /// How many processes the kernel ended for want of memory.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let group = self.accountant();
        group.map_or(0, |(group, words)| {
            counter(&group.read(words.kills), "oom_kill")
        })
    }

    /// Whether the kernel ended a process for want of memory, beyond so many `known` ones, and whose.
    ///
    /// `reached` says that a v1 group was out of memory by its own limit; v2 counts it.
    pub(crate) fn shortage(&self, reached: bool, known: u64) -> Option<Shortage> {
        let (group, words) = self.accountant()?;
        let text = group.read(words.kills);
        let own = match self.memory.is_some() {
            true => reached && self.met_limit(),
            false => counter(&text, "oom") > 0,
        };
        (counter(&text, "oom_kill") > known).then_some(match own {
            true => Shortage::Own,
            false => Shortage::Machines,
        })
    }
}

fn alarm(group: &Group, knob: &str, argument: &str) -> io::Result<OwnedFd> {
    let event = file::event()?;
    let knob = file::open_at(group.itself.as_fd(), knob, libc::O_RDONLY)?;
    let words = format!("{} {} {argument}", event.as_raw_fd(), knob.as_raw_fd());
    group.write("cgroup.event_control", &words)?;
    Ok(event)
}

fn cache(stat: &str, words: &Words) -> u64 {
    words.cache.iter().map(|name| counter(stat, name)).sum()
}

/// The number after a name that begins a line; 0 where there is none.
fn counter(text: &str, name: &str) -> u64 {
    let mut found = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found
        .next()
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(counter(events, "oom"), 3);
        assert_eq!(counter(events, "oom_kill"), 2);
        assert_eq!(counter(events, "oom_kil"), 0);
        assert_eq!(counter("", "oom"), 0);
    }

    #[test]
    fn files_that_can_be_taken_back_are_not_used_memory() {
        let v2 = "anon 10\nfile 70\nshmem 20\ninactive_file 30\nactive_file 20\n";
        assert_eq!(cache(v2, &V2), 50);
        let v1 = "inactive_file 1\nactive_file 1\ntotal_inactive_file 30\ntotal_active_file 20\n";
        assert_eq!(cache(v1, &V1), 50);
    }

    /// A directory that looks like a group; the kernel's own are tried by the suite.
    fn pretend(files: &[(&str, &str)]) -> (tempfile::TempDir, Group) {
        let home = tempfile::tempdir().unwrap();
        let group = Group::make(home.path(), "one", |_| ()).unwrap();
        for (name, text) in files {
            file::write_file(group.itself.as_fd(), name, text.as_bytes()).unwrap();
        }
        (home, group)
    }

    #[test]
    fn a_v2_group_tells_its_own_shortage_from_the_machine_s() {
        let table = [
            ("oom 0\noom_kill 0\n", None),
            ("oom 1\noom_kill 0\n", None),
            ("oom 1\noom_kill 1\n", Some(Shortage::Own)),
            ("oom 0\noom_kill 1\n", Some(Shortage::Machines)),
        ];
        for (events, shortage) in table {
            let files = [("memory.current", "1\n"), ("memory.events", events)];
            let (_home, group) = pretend(&files);
            let cgroup = Cgroup {
                v2: Some(group),
                ..Cgroup::default()
            };
            assert_eq!(cgroup.shortage(true, 0), shortage, "{events}");
        }
    }

    #[test]
    fn a_v1_group_tells_its_own_shortage_from_the_machine_s() {
        let table = [
            (0, "100", "0", true, None),
            (1, "100", "0", true, Some(Shortage::Machines)),
            (1, "100", "2", true, Some(Shortage::Own)),
            (1, "10000000", "0", true, Some(Shortage::Own)),
            (1, "10000000", "2", false, Some(Shortage::Machines)),
        ];
        for (kills, peak, failures, reached, shortage) in table {
            let (_home, group) = pretend(&[
                (
                    "memory.oom_control",
                    &format!("under_oom 0\noom_kill {kills}\n"),
                ),
                ("memory.limit_in_bytes", "10000000\n"),
                ("memory.max_usage_in_bytes", peak),
                ("memory.failcnt", failures),
            ]);
            let cgroup = Cgroup {
                memory: Some(group),
                ..Cgroup::default()
            };
            assert_eq!(
                cgroup.shortage(reached, 0),
                shortage,
                "{peak} {failures} {reached}"
            );
        }
    }

    #[test]
    fn a_v2_group_is_limited_and_counted_in_its_own_words() {
        let (home, group) = pretend(&[
            ("memory.max", ""),
            ("memory.swap.max", ""),
            ("memory.oom.group", ""),
            ("memory.current", "100\n"),
            ("memory.stat", "anon 30\ninactive_file 30\nactive_file 20\n"),
        ]);
        let cgroup = Cgroup {
            v2: Some(group),
            ..Cgroup::default()
        };
        assert!(cgroup.limit_memory(4096).is_ok() && cgroup.counts_memory());
        let read = |name: &str| std::fs::read_to_string(home.path().join("noon/one").join(name));
        assert_eq!(read("memory.max").unwrap(), "4096");
        assert_eq!(read("memory.swap.max").unwrap(), "0");
        assert_eq!(read("memory.oom.group").unwrap(), "1");
        let (charged, needed) = (100, 50);
        assert_eq!(cgroup.memory_used(99), Used { charged, needed });
        let needed = 100;
        assert_eq!(cgroup.memory_used(100), Used { charged, needed });
        assert!(!Cgroup::default().counts_memory());
    }
}
