//! The files by which runtimes size themselves.

use std::path::Path;

use crate::common::{Ground, can_run, shell};
use noon_sandbox::{Cpu, Limits, Spec};

const MIB: u64 = 1 << 20;

/// What a process of an ordinary size has: told of beyond the quota, ended at twice that.
fn limited(script: &str) -> Spec {
    let limits = Limits {
        memory: Some(512 * MIB),
        memory_quota: Some(256 * MIB),
        cpu: Some(Cpu {
            weight: 50,
            millicores: Some(1500),
        }),
        ..Limits::default()
    };
    Spec {
        limits,
        ..shell(script)
    }
}

/// Which words the machine's groups use; `None` where they cannot limit both.
fn is_v1() -> Option<bool> {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| controllers.split_whitespace().any(|found| found == name);
    if root.join("memory/tasks").exists() && root.join("cpu/tasks").exists() {
        return Some(true);
    }
    (has("memory") && has("cpu")).then_some(false)
}

/// Runs a script that is limited, where the machine can and the program is there.
fn say(program: &str, script: &str) -> Option<String> {
    if !can_run() {
        return None;
    }
    if is_v1().is_none() || !Path::new("/usr/bin").join(program).exists() {
        eprintln!("skipped: needs {program}, and cgroups with memory and cpu");
        return None;
    }
    let (text, ended) = Ground::new().run_spec(&limited(script));
    println!("{program}: {text} {ended:?}");
    Some(text)
}

#[test]
fn the_limits_stand_where_they_are_looked_for() {
    let v1 = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares
        ls -d cpuacct/cpuacct.usage cpuset/cpuset.cpus; wc -l < memory/tasks; cat /proc/self/cgroup | grep -cE ':(memory|cpu):/$'";
    let v2 = "cd /sys/fs/cgroup; cat memory.max cpu.max cpu.weight; cat /proc/self/cgroup";
    let is_v1 = is_v1() == Some(true);
    let Some(text) = say("cat", if is_v1 { v1 } else { v2 }) else {
        return;
    };
    let expected = match is_v1 {
        true => {
            "536870912\n268435456\n150000\n100000\n512\ncpuacct/cpuacct.usage\ncpuset/cpuset.cpus\n"
        }
        false => "536870912\n150000 100000\n50\n0::/\n",
    };
    assert!(text.starts_with(expected), "{text}");
    assert!(!is_v1 || text.ends_with("\n2\n"), "{text}");
}

#[test]
fn nothing_of_the_groups_can_be_changed_or_told_of_others() {
    let script = "cd /sys/fs/cgroup
        for f in $(find . -name '*limit_in_bytes' -o -name '*quota_us' -o -name 'cpu.max' -o -name 'memory.max' -o -name tasks -o -name cgroup.procs -o -name notify_on_release -o -name release_agent); do
            (echo 1 > $f) 2>/dev/null && echo wrote $f; done
        for d in . *; do mkdir $d/x 2>/dev/null && echo made $d/x; done
        find . -mindepth 2 -type d; echo done";
    if let Some(text) = say("find", script) {
        assert_eq!(text, "done\n");
    }
}

#[test]
fn node_sizes_itself_by_its_limit() {
    let script = "node -p 'process.constrainedMemory()'";
    if let Some(text) = say("node", script) {
        let bytes: u64 = text.trim().parse().unwrap();
        assert!((256 * MIB..=512 * MIB).contains(&bytes), "{bytes}");
    }
}

#[test]
fn java_sizes_itself_by_its_limit() {
    let script = "java -XX:+PrintFlagsFinal -version 2>/dev/null | awk '/ MaxHeapSize | MaxRAM /{print $4}'
        java -Xlog:os+container=info -version 2>/dev/null | grep -i 'active processor count' | tail -1";
    let Some(text) = say("java", script) else {
        return;
    };
    let heap: u64 = text.lines().next().unwrap().parse().unwrap();
    assert!((64 * MIB..=128 * MIB).contains(&heap), "{text}");
}
