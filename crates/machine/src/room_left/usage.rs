//! What running processes use, by the kernel's own lists.

use std::fs;

/// What one process uses, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Memory that is its own, in bytes: what is mapped from files is not counted.
    pub memory: u64,
    /// Processes and threads, its shim included.
    pub tasks: u64,
}

impl Usage {
    /// What everything below this init uses now; nothing, when it is gone.
    pub fn of(init: u32) -> Self {
        let mut usage = Self::default();
        let mut waiting = vec![init];
        while let Some(pid) = waiting.pop() {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
                continue;
            };
            usage.memory += memory(&status);
            usage.tasks += field(&status, "Threads:").unwrap_or(1);
            waiting.extend(children(pid));
        }
        usage.tasks += u64::from(usage.tasks > 0);
        usage
    }

    /// The mean of these; nothing of none.
    pub fn mean(all: &[Self]) -> Self {
        let count = all.len().max(1) as u64;
        Self {
            memory: all.iter().map(|usage| usage.memory).sum::<u64>() / count,
            tasks: all
                .iter()
                .map(|usage| usage.tasks)
                .sum::<u64>()
                .div_ceil(count),
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .map(str::parse)
                .collect::<Vec<_>>()
        })
        .flatten()
        .collect()
}

fn memory(status: &str) -> u64 {
    let own = ["RssAnon:", "RssShmem:"];
    own.iter()
        .filter_map(|name| field(status, name))
        .sum::<u64>()
        * 1024
}

/// A number from a list of `Name: number` lines.
pub(super) fn field(list: &str, name: &str) -> Option<u64> {
    let line = list.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_of_all_and_tasks_are_rounded_up() {
        let usage = |memory, tasks| Usage { memory, tasks };
        assert_eq!(Usage::mean(&[]), Usage::default());
        assert_eq!(Usage::mean(&[usage(10, 3), usage(30, 4)]), usage(20, 4));
    }

    #[test]
    fn ones_own_use_is_seen_and_that_of_the_gone_is_none() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let alone = Usage::of(child.id());
        let with_parent = Usage::of(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(alone.tasks, 2);
        assert!(alone.memory > 0 && with_parent.memory > alone.memory);
        assert!(with_parent.tasks > alone.tasks);
        assert_eq!(Usage::of(child.id()), Usage::default());
    }
}
