//! The tree of the stack, built once per launcher and copied for every process.
//!
//! A mount namespace of its own: a small read-only root with the host's `/usr`, a generated
//! `/etc`, the harmless devices, and empty directories where each process mounts its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::failure::{At, Outcome};
use super::ground;
use crate::cgroup;
use crate::sys::file::{self, here};
use crate::sys::mount::{self, NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};
use crate::sys::process;

const DIRECTORIES: [&str; 27] = [
    "app",
    "dev",
    "dev/pts",
    "dev/shm",
    "etc",
    "mnt",
    "opt",
    "proc",
    "run",
    "run/lock",
    "run/noon",
    "srv",
    "sys",
    "sys/fs",
    "sys/fs/cgroup",
    "sys/fs/cgroup/cpu",
    "sys/fs/cgroup/cpuacct",
    "sys/fs/cgroup/cpuset",
    "sys/fs/cgroup/memory",
    "tmp",
    "usr",
    "var",
    "var/cache",
    "var/lib",
    "var/log",
    "var/lib/misc",
    "var/spool",
];
const LINKS: [(&str, &str); 13] = [
    ("/tmp", "var/tmp"),
    ("/run", "var/run"),
    ("/run/lock", "var/lock"),
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
    ("pts/ptmx", "dev/ptmx"),
    ("/proc/mounts", "etc/mtab"),
    ("/run/noon/passwd", "etc/passwd"),
    ("/run/noon/group", "etc/group"),
    ("/run/noon/hosts", "etc/hosts"),
    ("/run/noon/resolv.conf", "etc/resolv.conf"),
];
/// The numbers of `/dev/null`.
pub(super) const NULL: (u32, u32) = (1, 3);
const DEVICES: [(&str, (u32, u32)); 6] = [
    ("null", NULL),
    ("zero", (1, 5)),
    ("full", (1, 7)),
    ("random", (1, 8)),
    ("urandom", (1, 9)),
    ("tty", (5, 0)),
];
/// What the host's root directory may hold beside `/usr`; links on a merged system.
const OLD_PLACES: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Files of the host's `/etc` that programs of the stack need; copied.
const ETC_FILES: [&str; 22] = [
    "ca-certificates.conf",
    "debian_version",
    "gai.conf",
    "gitconfig",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "npmrc",
    "os-release",
    "pip.conf",
    "profile",
    "protocols",
    "rpc",
    "services",
    "shells",
    "timezone",
    "bash.bashrc",
];
/// Directories of the host's `/etc` that programs of the stack need; mounted. A star ends a prefix.
const ETC_DIRECTORIES: [&str; 14] = [
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "java*",
    "ld.so.conf.d",
    "maven",
    "perl",
    "php*",
    "pki",
    "python*",
    "ssl",
    "terminfo",
    "ImageMagick*",
];
const NSSWITCH: &[u8] = b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
    networks: files\nprotocols: files\nservices: files\n";
/// No file of `/etc` that is worth copying is longer.
const LONGEST_FILE: usize = 1 << 20;

/// Builds the tree in a new mount namespace: the namespace, and a writable way to its root.
pub(super) fn build() -> Outcome<(OwnedFd, OwnedFd)> {
    process::unshare(libc::CLONE_NEWNS).at("making a mount namespace")?;
    mount::classic(c"", c"/", libc::MS_REC | libc::MS_PRIVATE).at("making mounts private")?;
    let options = [("mode", "0755"), ("size", "16m"), ("nr_inodes", "4096")];
    let root = mount::create(c"tmpfs", &options, 0).at("mounting the root directory")?;
    // Attached before it is filled, since nothing can be mounted into a detached tree.
    mount::attach(root.as_fd(), here(), "/").at("attaching the root directory")?;
    let writable = mount::clone_tree(root.as_fd(), "", false).at("keeping the root writable")?;
    skeleton(root.as_fd())?;
    system(root.as_fd())?;
    etc(root.as_fd())?;
    devices(root.as_fd())?;
    old_proc(root.as_fd())?;
    groups(root.as_fd())?;
    mount::set(root.as_fd(), READ_ONLY | NO_SUID, false).at("making the root read-only")?;
    let namespace = file::open_at(here(), "/proc/self/ns/mnt", libc::O_RDONLY)
        .at("opening the mount namespace")?;
    enter_root(&root).at("changing the root directory")?;
    Ok((namespace, writable))
}

fn enter_root(root: &OwnedFd) -> io::Result<()> {
    process::change_directory(root.as_fd())?;
    mount::pivot_here()
}

fn skeleton(root: BorrowedFd<'_>) -> Outcome<()> {
    for directory in DIRECTORIES {
        file::mkdir_at(root, directory, 0o755).at_place("making", directory)?;
    }
    for (target, link) in LINKS {
        file::symlink_at(target, root, link).at_place("linking", link)?;
    }
    Ok(())
}

fn system(root: BorrowedFd<'_>) -> Outcome<()> {
    show(root, "/usr", "usr")?;
    for name in OLD_PLACES {
        let path = Path::new("/").join(name);
        if let Ok(target) = std::fs::read_link(&path) {
            let target = target.to_string_lossy().into_owned();
            file::symlink_at(&target, root, name).at_place("linking", name)?;
        } else if path.is_dir() {
            file::mkdir_at(root, name, 0o755).at_place("making", name)?;
            show(root, &format!("/{name}"), name)?;
        }
    }
    Ok(())
}

/// Shows a directory of the host read-only, with everything mounted below it.
fn show(root: BorrowedFd<'_>, source: &str, target: &str) -> Outcome<()> {
    let tree = mount::clone_tree(here(), source, true).at_place("copying the mount", source)?;
    let flags = READ_ONLY | NO_SUID | NO_DEV;
    mount::set(tree.as_fd(), flags, true).at_place("making read-only", source)?;
    mount::attach(tree.as_fd(), root, target).at_place("mounting", target)
}

fn etc(root: BorrowedFd<'_>) -> Outcome<()> {
    file::write_file(root, "etc/nsswitch.conf", NSSWITCH).at("writing /etc/nsswitch.conf")?;
    file::symlink_at("/run/noon/hostname", root, "etc/hostname").at("linking /etc/hostname")?;
    for name in ETC_FILES {
        copy(root, name).at_place("copying /etc/", name)?;
    }
    let entries = std::fs::read_dir("/etc").at("listing /etc")?;
    for name in entries.flatten().map(|entry| entry.file_name()) {
        let name = name.to_string_lossy();
        let source = format!("/etc/{name}");
        if ETC_DIRECTORIES.iter().any(|wanted| matches(wanted, &name))
            && Path::new(&source).is_dir()
        {
            let target = format!("etc/{name}");
            file::mkdir_at(root, &target, 0o755).at_place("making", &target)?;
            show(root, &source, &target)?;
        }
    }
    Ok(())
}

fn matches(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == wanted,
    }
}

/// Copies what everyone on the host may read; what is absent or private is not needed.
fn copy(root: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let Ok(source) = file::open_at(here(), &format!("/etc/{name}"), libc::O_RDONLY) else {
        return Ok(());
    };
    if file::stat(source.as_fd())?.st_mode & 0o004 == 0 {
        return Ok(());
    }
    match file::read_to_end(source.as_fd(), LONGEST_FILE) {
        Ok(bytes) => file::write_file(root, &format!("etc/{name}"), &bytes),
        Err(_) => Ok(()),
    }
}

fn devices(root: BorrowedFd<'_>) -> Outcome<()> {
    for (name, (major, minor)) in DEVICES {
        let source = format!("/dev/{name}");
        let target = format!("dev/{name}");
        file::write_file(root, &target, b"").at_place("making", &target)?;
        let device = mount::clone_tree(here(), &source, false).at_place("copying", &source)?;
        // By its descriptor: what is shown is what was looked at.
        match file::is_device(device.as_fd(), major, minor).at_place("looking at", &source)? {
            true => {}
            false => crate::sys::errno(libc::ENODEV).at_place("finding a device at", &source)?,
        }
        mount::set(device.as_fd(), NO_SUID | NO_EXEC, false).at_place("locking", &source)?;
        mount::attach(device.as_fd(), root, &target).at_place("mounting", &target)?;
    }
    file::write_file(root, "dev/console", b"").at("making /dev/console")
}

/// Best effort, since only some runtimes miss them; see [`cgroup::empty_groups`].
fn groups(root: BorrowedFd<'_>) -> Outcome<()> {
    for (group, name) in cgroup::empty_groups() {
        let target = format!("sys/fs/cgroup/{name}");
        let shown = ground::show_group(group.as_fd()).at_place("copying the cgroup", name)?;
        mount::attach(shown.as_fd(), root, &target).at_place("mounting", &target)?;
    }
    Ok(())
}

/// A user namespace may mount a fresh `/proc` only where one is seen already.
fn old_proc(root: BorrowedFd<'_>) -> Outcome<()> {
    if crate::rootless::is_real_root() {
        return Ok(());
    }
    let tree = mount::clone_tree(here(), "/proc", true).at("copying the mount /proc")?;
    mount::attach(tree.as_fd(), root, "proc").at("mounting /proc")
}
