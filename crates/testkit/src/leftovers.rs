//! What a house must not leave behind.

use std::fs;
use std::path::Path;

/// Whatever still speaks of a home: processes, mounts, shims.
pub fn of(home: &Path) -> Vec<String> {
    let needle = home.display().to_string();
    let mut found = processes(&needle);
    let sandboxes = crate::sandboxes(home).into_iter();
    found.extend(sandboxes.map(|left| format!("sandbox: {left:?}")));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(
        mounts
            .lines()
            .filter(|l| l.contains(&needle))
            .map(|l| format!("mount: {l}")),
    );
    let shims = fs::read_dir(home.join("data/shims"))
        .into_iter()
        .flatten()
        .flatten();
    // A dot begins a file of the machine's own, such as its notes of how the last stop went.
    let is_shim = |entry: &fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
    found.extend(
        shims
            .filter(is_shim)
            .map(|shim| format!("shim: {}", shim.path().display())),
    );
    found
}

fn processes(needle: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter_map(|pid| {
            let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            let (environ, cmdline) = (read("environ"), read("cmdline"));
            let is_ours = [&environ, &cmdline]
                .iter()
                .any(|bytes| String::from_utf8_lossy(bytes).contains(needle));
            let shown = String::from_utf8_lossy(&cmdline).replace('\0', " ");
            (is_ours && !cmdline.is_empty()).then(|| format!("process {pid}: {shown}"))
        })
        .collect()
}
