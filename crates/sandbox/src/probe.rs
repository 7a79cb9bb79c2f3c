//! What this machine offers, for those who ask why something is slow, weak or impossible here.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;

use crate::cgroup::Homes;
use crate::rootless;
use crate::sys::file::{self, here};
use crate::sys::{landlock, mount, process};

/// One thing that this machine has or lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was looked for.
    pub name: &'static str,
    /// Whether it is there.
    pub present: bool,
    /// What was found, such as a version; empty where presence says all.
    pub found: String,
    /// What it costs to lack it.
    pub cost: &'static str,
    /// What to type to get it, where that is possible.
    pub mend: Option<&'static str>,
}

/// Looks at what this machine offers. Changes nothing; takes some milliseconds.
pub fn probe() -> Vec<Probe> {
    vec![
        kernel(),
        user_namespaces(),
        overlay(),
        cgroups(),
        limits(),
        cpu(),
        seccomp(),
        landlock(),
        id_range(),
        program(
            "pasta",
            "pasta",
            "without it rootless apps have no way out to the network",
            "apt-get install passt",
        ),
        program(
            "nft",
            "nft",
            "without it apps have no way out to the network",
            "apt-get install nftables",
        ),
        program(
            "ip",
            "ip",
            "without it apps have no way out to the network",
            "apt-get install iproute2",
        ),
        tun(),
    ]
}

fn kernel() -> Probe {
    let release = read("/proc/sys/kernel/osrelease");
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Probe {
        name: "kernel 6.1",
        present: version >= (6, 1),
        found: release,
        cost: "before 5.12 nothing runs; before 6.1 apps may not change their own files",
        mend: Some("install a kernel of your distribution that is 6.1 or newer, and reboot"),
    }
}

/// One that can be made but not used is none: AppArmor takes all power in it away.
fn user_namespaces() -> Probe {
    let usable = || {
        process::unshare(libc::CLONE_NEWUSER).is_ok() && process::unshare(libc::CLONE_NEWNS).is_ok()
    };
    let says = |name: &str, value: &str| read(&format!("/proc/sys/{name}")) == value;
    Probe {
        name: "user namespaces",
        present: attempt(usable),
        found: String::new(),
        cost: "without them noon must run as root",
        mend: Some(allow_namespaces(says)),
    }
}

/// What to type, by the switch of this kernel that stands in the way.
fn allow_namespaces(says: impl Fn(&str, &str) -> bool) -> &'static str {
    if says("kernel/unprivileged_userns_clone", "0") {
        return "sysctl -w kernel.unprivileged_userns_clone=1";
    }
    if says("kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    }
    if says("user/max_user_namespaces", "0") {
        return "sysctl -w user.max_user_namespaces=15000";
    }
    "leave the container that forbids them, or run noon as root"
}

/// An overlay in a user namespace of our own, as rootless processes have it.
fn overlay() -> Probe {
    Probe {
        name: "overlay in user namespaces",
        present: attempt(overlay_mounts),
        found: String::new(),
        cost: "without it noon must run as root",
        mend: Some("modprobe overlay"),
    }
}

fn overlay_mounts() -> bool {
    let (uid, gid) = (process::user(), process::group());
    let map = |name: &str, text: String| {
        file::write_knob(here(), &format!("/proc/self/{name}"), &text).is_ok()
    };
    let tree = || {
        mount::classic(c"", c"/", libc::MS_REC | libc::MS_PRIVATE)?;
        let scratch = mount::create(c"tmpfs", &[], 0)?;
        mount::attach(scratch.as_fd(), here(), "/tmp")?;
        for name in ["lower", "upper", "work", "at"] {
            file::mkdir_at(here(), &format!("/tmp/{name}"), 0o755)?;
        }
        mount::overlay(
            c"/tmp/at",
            "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr",
        )
    };
    process::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS).is_ok()
        && map("setgroups", "deny".to_owned())
        && map("uid_map", format!("0 {uid} 1\n"))
        && map("gid_map", format!("0 {gid} 1\n"))
        && tree().is_ok()
}

fn cgroups() -> Probe {
    let homes = Homes::find(rootless::is_nested())
        .unwrap_or_default()
        .ours();
    let kind = match (
        &homes.v2,
        homes.memory_v1.is_some() || homes.pids_v1.is_some(),
    ) {
        (Some(_), false) => "v2",
        (Some(_), true) => "v1 for limits, v2 for certain ends",
        (None, true) => "v1",
        (None, false) => "none",
    };
    Probe {
        name: "cgroups",
        present: kind != "none",
        found: kind.to_owned(),
        cost: "without them memory is not bounded and stopping a fork bomb takes longer",
        mend: Some("mount -t cgroup2 cgroup2 /sys/fs/cgroup"),
    }
}

/// Whether our groups can have a controller.
fn has_controller(name: &str) -> bool {
    controllers().iter().any(|found| found == name)
}

fn controllers() -> Vec<String> {
    let homes = Homes::find(rootless::is_nested()).unwrap_or_default();
    homes.ours().controllers()
}

fn limits() -> Probe {
    Probe {
        name: "cgroup limits",
        present: has_controller("memory") && has_controller("pids"),
        found: controllers().join(" "),
        cost: "without the memory and pids controllers one app can take the memory of all",
        mend: Some("run noon as a systemd service with Delegate=yes"),
    }
}

fn cpu() -> Probe {
    Probe {
        name: "cpu controller",
        present: has_controller("cpu"),
        found: String::new(),
        cost: "without it a size's share of the CPU is niceness only, and its bound is not held",
        mend: Some("run noon as a systemd service with Delegate=yes"),
    }
}

fn seccomp() -> Probe {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail");
    Probe {
        name: "seccomp filters",
        present: actions.contains("kill_process"),
        found: String::new(),
        cost: "without them nothing runs: the kernel would be open to every system call",
        mend: Some("take a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

fn landlock() -> Probe {
    let version = landlock::version();
    Probe {
        name: "landlock",
        present: version >= 2,
        found: match version {
            0 => String::new(),
            version => format!("ABI {version}"),
        },
        cost: "without it the walls are one layer, not two; before ABI 6 the second does not shut \
               the abstract sockets of a shared network",
        mend: Some("take kernel 6.1 or newer, 6.12 for ABI 6, and boot with lsm=landlock,..."),
    }
}

fn id_range() -> Probe {
    let subuid = !read("/etc/subuid").is_empty();
    let tool = find_program("newuidmap");
    Probe {
        name: "newuidmap and a range in /etc/subuid",
        present: tool.is_some() && subuid,
        found: tool.unwrap_or_default(),
        cost: "little: rootless apps are kept apart by namespaces, with or without it",
        mend: Some(
            "apt-get install uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER",
        ),
    }
}

fn tun() -> Probe {
    let opened = file::open_at(here(), "/dev/net/tun", libc::O_RDWR);
    Probe {
        name: "/dev/net/tun",
        present: opened.is_ok(),
        found: String::new(),
        cost: "without it rootless apps have no way out to the network",
        mend: Some("modprobe tun && chmod 0666 /dev/net/tun"),
    }
}

fn program(name: &'static str, file: &str, cost: &'static str, mend: &'static str) -> Probe {
    let found = find_program(file);
    Probe {
        name,
        present: found.is_some(),
        found: found.unwrap_or_default(),
        cost,
        mend: Some(mend),
    }
}

fn find_program(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path
        .split(':')
        .chain(["/usr/sbin", "/sbin"])
        .filter(|place| !place.is_empty());
    let mut paths = places.map(|place| format!("{place}/{name}"));
    paths.find(|path| Path::new(path).is_file())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Tries something in a child, which is the only thing that it changes.
fn attempt(act: impl FnOnce() -> bool) -> bool {
    let Ok((result, tell)) = file::pipe() else {
        return false;
    };
    match process::fork() {
        Ok(0) => {
            let byte = [u8::from(act())];
            let _ = file::write_all(tell.as_fd(), &byte);
            process::leave(0)
        }
        Ok(pid) => {
            drop(tell);
            let answer = first_byte(&result);
            let _ = process::signal(pid, libc::SIGKILL);
            let _ = process::reap(pid, 0);
            answer == Some(1)
        }
        Err(_) => false,
    }
}

/// A child of a program with threads may hang; it is not waited for beyond reason.
fn first_byte(pipe: &std::os::fd::OwnedFd) -> Option<u8> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut set = [libc::pollfd {
        fd: pipe.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }];
    crate::sys::socket::poll(&mut set, PATIENCE.as_millis() as i32).ok()?;
    let mut byte = [0];
    match set[0].revents {
        0 => None,
        _ => (file::read(pipe.as_fd(), &mut byte).ok()? == 1).then_some(byte[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_says_what_it_costs_and_how_to_mend_it() {
        let probes = probe();
        for probe in &probes {
            println!("{probe:?}");
            assert!(
                !probe.cost.is_empty() && probe.mend.is_some(),
                "{}",
                probe.name
            );
        }
        assert!(
            probes
                .iter()
                .any(|probe| probe.name == "seccomp filters" && probe.present)
        );
    }

    #[test]
    fn the_mend_of_user_namespaces_is_the_switch_that_forbids_them() {
        let table = [
            ("kernel/unprivileged_userns_clone", "userns_clone=1"),
            ("kernel/apparmor_restrict_unprivileged_userns", "userns=0"),
            ("user/max_user_namespaces", "namespaces=15000"),
            ("", "as root"),
        ];
        for (switch, mend) in table {
            let found = allow_namespaces(|name, _| name == switch);
            assert!(found.ends_with(mend), "{switch}: {found}");
        }
    }
}
