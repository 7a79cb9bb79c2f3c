//! The sandboxes of a house as the kernel shows them, whatever the house itself says of them.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One sandbox that runs: its shim, its init, and the place that it fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The process id of the shim.
    pub shim: u32,
    /// The process that is pid 1 inside; none when it has ended.
    pub init: Option<u32>,
    /// The processes below init, oldest first.
    pub inside: Vec<u32>,
    /// The place, as in `web.1`, as the processes inside know it.
    pub place: Option<String>,
}

/// A process, as much as is asked of it here.
struct Seen {
    parent: u32,
    is_shim: bool,
}

/// All sandboxes whose shims stand in the house of this home, in no order.
pub fn of(home: &Path) -> Vec<Sandbox> {
    let all = processes();
    let below = |parent: u32| children(&all, parent);
    let shims = all.iter().filter(|(pid, seen)| {
        let is_first = !all.get(&seen.parent).is_some_and(|parent| parent.is_shim);
        seen.is_shim && is_first && stands_in(**pid, home)
    });
    shims
        .map(|(shim, _)| {
            let init = below(*shim).into_iter().next();
            let inside = init.map(|init| descendants(&all, init)).unwrap_or_default();
            let place = inside.iter().find_map(|pid| place(*pid));
            Sandbox {
                shim: *shim,
                init,
                inside,
                place,
            }
        })
        .collect()
}

/// Ends processes with SIGKILL, the first of which is the victim and the others die of it, if they
/// are still what `is_meant` says once they are held by descriptor, so that no other of the same
/// number is met. Returns when all are dead. Whether it was so.
pub fn kill_if(pids: &[u32], is_meant: impl FnOnce() -> bool) -> bool {
    let Some(victim) = pids.first().and_then(|pid| hold(*pid)) else {
        return false;
    };
    let others: Vec<_> = pids[1..].iter().filter_map(|pid| hold(*pid)).collect();
    let is_done = is_meant() && pidfd_send_signal(&victim, Signal::KILL).is_ok();
    if is_done {
        [victim].iter().chain(&others).for_each(await_end);
    }
    is_done
}

fn hold(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

fn await_end(held: &OwnedFd) {
    const LONGEST: Timespec = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let mut ends = [PollFd::new(held, PollFlags::IN)];
    let _ = poll(&mut ends, Some(&LONGEST));
}

fn processes() -> HashMap<u32, Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in the middle may hold anything; what follows it may not.
        let mut rest = stat.rsplit_once(") ")?.1.split(' ');
        let state = rest.next()?;
        let parent = rest.next()?.parse().ok()?;
        let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_shim = cmdline.starts_with(b"noon-shim\0");
        (state != "Z").then_some((pid, Seen { parent, is_shim }))
    })
    .collect()
}

fn children(all: &HashMap<u32, Seen>, parent: u32) -> Vec<u32> {
    let of_it = all.iter().filter(|(_, seen)| seen.parent == parent);
    let mut pids: Vec<u32> = of_it.map(|(pid, _)| *pid).collect();
    pids.sort_unstable();
    pids
}

fn descendants(all: &HashMap<u32, Seen>, root: u32) -> Vec<u32> {
    let mut found = children(all, root);
    let mut at = 0;
    while at < found.len() {
        found.extend(children(all, found[at]));
        at += 1;
    }
    found
}

/// Whether a shim holds a directory below this home.
fn stands_in(shim: u32, home: &Path) -> bool {
    let held = fs::read_dir(format!("/proc/{shim}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    held.filter_map(|fd| fs::read_link(fd.path()).ok())
        .any(|path| path.starts_with(home))
}

fn place(pid: u32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut vars = environ.split(|byte| *byte == 0);
    let dyno = vars.find_map(|var| var.strip_prefix(b"DYNO="))?;
    Some(String::from_utf8_lossy(dyno).into_owned())
}
