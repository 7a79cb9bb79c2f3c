//! How much memory a sandbox takes, where no cgroup bounds it.

/// Memory of all processes below one, in bytes. It sees what `/proc` shows: 0 where there is none.
pub(super) fn resident(init: i32) -> u64 {
    let mut bytes = 0;
    let mut left = vec![init];
    while let Some(pid) = left.pop() {
        bytes += pages(pid) * page_size();
        left.extend(children(pid));
    }
    bytes
}

fn pages(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    resident_pages(&text)
}

/// The second number of a `statm` file.
fn resident_pages(statm: &str) -> u64 {
    statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0)
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .map(|thread| thread.path().join("children"));
    let lists = lists.filter_map(|list| std::fs::read_to_string(list).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<i32> {
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn page_size() -> u64 {
    // SAFETY: sysconf takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_includes_its_children() {
        let own = i32::try_from(std::process::id()).unwrap();
        let alone = pages(own) * page_size();
        assert!(alone > 0);
        let mut child = std::process::Command::new("sleep")
            .arg("10")
            .spawn()
            .unwrap();
        assert!(children(own).contains(&(child.id() as i32)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(resident_pages("10 20 30"), 20);
        assert_eq!(resident_pages(""), 0);
    }
}
