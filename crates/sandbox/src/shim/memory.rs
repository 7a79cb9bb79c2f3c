//! How much memory a sandbox takes, where no cgroup counts it.

use std::os::fd::BorrowedFd;

use crate::sys::file;

/// How much a sandbox uses, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// All that is charged to it.
    pub(crate) charged: u64,
    /// That without what the kernel could take back at once.
    pub(crate) needed: u64,
}

/// Memory of all processes from some down. Where the plain sum is more than `enough`, what they share
/// is counted once and files of disks not at all. 0 where a process cannot be seen.
pub(super) fn used(proc: BorrowedFd<'_>, roots: Vec<i32>, enough: u64) -> Used {
    let family = family(proc, roots);
    let charged = family.iter().map(|pid| resident(proc, *pid)).sum();
    let needed = match charged > enough {
        true => family.iter().map(|pid| own(proc, *pid)).sum(),
        false => charged,
    };
    Used { charged, needed }
}

fn family(proc: BorrowedFd<'_>, roots: Vec<i32>) -> Vec<i32> {
    let mut found = roots;
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children(proc, *pid));
        next += 1;
    }
    found
}

fn children(proc: BorrowedFd<'_>, pid: i32) -> Vec<i32> {
    let threads = file::names(proc, &format!("{pid}/task")).unwrap_or_default();
    let lists = threads
        .iter()
        .filter_map(|thread| file::read_knob(proc, &format!("{pid}/task/{thread}/children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<i32> {
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn resident(proc: BorrowedFd<'_>, pid: i32) -> u64 {
    let text = file::read_knob(proc, &format!("{pid}/statm")).unwrap_or_default();
    resident_pages(&text) * page_size()
}

/// The second number of a `statm` file.
fn resident_pages(statm: &str) -> u64 {
    statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0)
}

/// One process's part of what is not a file on a disk; all of it where the kernel does not say.
fn own(proc: BorrowedFd<'_>, pid: i32) -> u64 {
    let text = file::read_knob(proc, &format!("{pid}/smaps_rollup")).unwrap_or_default();
    own_part(&text).unwrap_or_else(|| resident(proc, pid))
}

/// Its part, in bytes, of memory and of what was swapped out.
fn own_part(rollup: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    let (memory, shared) = (field("Pss_Anon:")?, field("Pss_Shmem:")?);
    Some(memory + shared + field("SwapPss:").unwrap_or(0))
}

fn page_size() -> u64 {
    // SAFETY: sysconf takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_memory_of_a_process_includes_its_children() {
        let own = i32::try_from(std::process::id()).unwrap();
        let proc = file::open_dir("/proc".as_ref()).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("10")
            .spawn()
            .unwrap();
        let family = family(proc.as_fd(), vec![own]);
        assert!(family.contains(&own) && family.contains(&(child.id() as i32)));
        let all = used(proc.as_fd(), vec![own], u64::MAX);
        assert!(all.charged > 0 && all.needed == all.charged);
        let exact = used(proc.as_fd(), vec![own], 0);
        assert!(exact.needed > 0 && exact.needed < exact.charged);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_kernel_s_tables_are_read() {
        assert_eq!(resident_pages("10 20 30"), 20);
        assert_eq!(resident_pages(""), 0);
        let rollup = "Rss: 900 kB\nPss: 800 kB\nPss_Anon: 5 kB\nPss_File: 700 kB\nPss_Shmem: 2 kB\nSwapPss: 1 kB\n";
        assert_eq!(own_part(rollup), Some(8 * 1024));
        assert_eq!(own_part("Pss: 800 kB\n"), None);
    }
}
