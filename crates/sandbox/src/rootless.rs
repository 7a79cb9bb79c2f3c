//! Running without being root: a user namespace to be root of.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::sys::file::{self, here};
use crate::sys::{mount, process};
use crate::{Error, cgroup, end};

/// As whom the platform runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The real root: every app has a real user id of its own.
    Root,
    /// Root of a user namespace with a range of further ids from `/etc/subuid`. Apps do not use the
    /// range: as in [`Mode::RootlessSingle`], each is alone in a user namespace of its own.
    RootlessRange {
        /// How many ids beside 0 there are.
        count: u32,
    },
    /// Root of a user namespace in which nobody else exists; walls keep apps apart, not ids.
    RootlessSingle,
}

/// Whether this process is root of the machine itself, not of a user namespace.
pub(crate) fn is_real_root() -> bool {
    process::user() == 0 && ids_beside_root() == Some(u32::MAX - 1)
}

/// Whether this process is not the machine's own root, whoever it is within its user namespace.
pub fn is_rootless() -> bool {
    !is_real_root()
}

/// Whether this process is not the real root. Asked once, after [`enter_rootless`]: that is final.
pub(crate) fn is_nested() -> bool {
    static NESTED: OnceLock<bool> = OnceLock::new();
    *NESTED.get_or_init(|| !is_real_root())
}

/// How many ids beside 0 this process's user namespace maps; `None` when 0 is not mapped.
fn ids_beside_root() -> Option<u32> {
    let map = file::read_knob(here(), "/proc/self/uid_map").ok()?;
    let lines = map.lines().map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        (numbers.next(), numbers.nth(1))
    });
    let mut ids: u32 = 0;
    let mut has_root = false;
    for line in lines {
        if let (Some(Ok(first)), Some(Ok(count))) = line {
            has_root |= first == 0;
            ids = ids.saturating_add(count);
        }
    }
    has_root.then(|| ids.saturating_sub(1))
}

/// Makes this process root of a user and mount namespace of its own, when it is not root.
///
/// To be called first thing, before there is a second thread. Idempotent.
///
/// # Errors
/// [`Error::Rootless`] where the machine forbids user namespaces, or a second thread exists.
pub fn enter_rootless() -> Result<Mode, Error> {
    if process::user() != 0 {
        enter()?;
        cgroup::settle();
    }
    Ok(mode())
}

/// As [`enter_rootless`], in the user namespace of an earlier platform's processes if any of those
/// live whose shims' directories stand in `shims`. In one of its own it could signal and stop them,
/// and would have no power over their networks.
///
/// # Errors
/// Those of [`enter_rootless`].
pub fn resume_rootless(shims: &Path) -> Result<Mode, Error> {
    if process::user() != 0 && rejoin(shims) {
        let parting = |source| Error::Rootless {
            step: "parting the mounts",
            source,
        };
        own_mounts().map_err(parting)?;
        cgroup::settle();
        return Ok(mode());
    }
    enter_rootless()
}

fn mode() -> Mode {
    match ids_beside_root() {
        Some(count) if count == u32::MAX - 1 => Mode::Root,
        Some(0) | None => Mode::RootlessSingle,
        Some(count) => Mode::RootlessRange { count },
    }
}

/// Whether the user namespace of a living shim could be entered; where not, nothing has changed.
fn rejoin(shims: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(shims) else {
        return false;
    };
    let mut living = entries
        .flatten()
        .filter_map(|entry| end::shim_of(&entry.path()).ok());
    // Only a user's own namespaces let that user in.
    living.any(|shim| process::enter(shim.as_fd(), libc::CLONE_NEWUSER).is_ok())
}

/// The mounts of the earlier platform went with it, but for those that its processes hold.
fn own_mounts() -> io::Result<()> {
    process::unshare(libc::CLONE_NEWNS)?;
    mount::classic(c"", c"/", libc::MS_REC | libc::MS_SLAVE)
}

fn enter() -> Result<(), Error> {
    let fail = |step| move |source| Error::Rootless { step, source };
    let (uid, gid) = (process::user(), process::group());
    let helper = Helper::fork(uid, gid).map_err(fail("forking"))?;
    process::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS)
        .map_err(fail("making a user namespace"))?;
    if !helper.map().map_err(fail("waiting for newuidmap"))? {
        map_self(uid, gid).map_err(fail("mapping the user"))?;
    }
    mount::classic(c"", c"/", libc::MS_REC | libc::MS_SLAVE).map_err(fail("parting the mounts"))
}

/// Without help a process may map itself alone.
fn map_self(uid: u32, gid: u32) -> io::Result<()> {
    file::write_knob(here(), "/proc/self/setgroups", "deny")?;
    file::write_knob(here(), "/proc/self/uid_map", &format!("0 {uid} 1\n"))?;
    file::write_knob(here(), "/proc/self/gid_map", &format!("0 {gid} 1\n"))
}

/// A child left outside, where `newuidmap` has its power.
struct Helper {
    pid: i32,
    go: std::os::fd::OwnedFd,
}

impl Helper {
    fn fork(uid: u32, gid: u32) -> io::Result<Self> {
        let (wait, go) = file::pipe()?;
        let parent = std::process::id();
        match process::fork()? {
            0 => {
                drop(go);
                let told = file::read(wait.as_fd(), &mut [0]);
                let mapped = matches!(told, Ok(1)) && map_range(parent, uid, gid);
                process::leave(i32::from(!mapped))
            }
            pid => Ok(Self { pid, go }),
        }
    }

    /// Whether a range could be mapped.
    fn map(self) -> io::Result<bool> {
        file::write_all(self.go.as_fd(), &[1])?;
        let ended = process::reap(self.pid, 0)?;
        Ok(ended
            .is_some_and(|(_, status)| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0))
    }
}

fn map_range(pid: u32, uid: u32, gid: u32) -> bool {
    let name = user_name(uid);
    let range = |path: &str| {
        subordinate(
            &std::fs::read_to_string(path).unwrap_or_default(),
            uid,
            &name,
        )
    };
    let (Some(uids), Some(gids)) = (range("/etc/subuid"), range("/etc/subgid")) else {
        return false;
    };
    let run = |program: &str, own: u32, (first, count): (u32, u32)| {
        let numbers = [pid, 0, own, 1, 1, first, count].map(|number| number.to_string());
        let mut command = Command::new(program);
        command
            .args(numbers)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // The groups first: a half-made map of users could not be made whole by `map_self`.
    run("newgidmap", gid, gids) && run("newuidmap", uid, uids)
}

fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = uid.to_string();
    let line = passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(uid.as_str()));
    line.and_then(|line| line.split(':').next())
        .unwrap_or_default()
        .to_owned()
}

/// The first range that `/etc/subuid` or `/etc/subgid` gives to a user.
fn subordinate(text: &str, uid: u32, name: &str) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let owner = parts.next()?;
        let is_owner = owner == uid.to_string() || (owner == name && !name.is_empty());
        let (first, count) = (
            parts.next()?.parse().ok()?,
            parts.next()?.trim().parse().ok()?,
        );
        is_owner.then_some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_belongs_to_a_name_or_a_number() {
        let text = "alice:100000:65536\n1001:165536:65536\nbroken\n";
        assert_eq!(subordinate(text, 1000, "alice"), Some((100_000, 65_536)));
        assert_eq!(subordinate(text, 1001, ""), Some((165_536, 65_536)));
        assert_eq!(subordinate(text, 1002, "bob"), None);
    }
}
