//! What each process mounts for itself on its copy of the stack's tree.
//!
//! Everything that is mounted on was made by us: the app's own files lie at `/app` only, and what
//! goes below `/app` is reached without following a symbolic link.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::failure::{At, Outcome};
use super::place::Place;
use super::sources::{Shown, Sources};
use super::template::NULL;
use crate::envelope::Envelope;
use crate::sys::file::{self, here};
use crate::sys::mount::{self, NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};

/// The writable memory of a process that was given no bound.
const DEFAULT_DISK: u64 = 512 << 20;
/// On average a file is thought to be no smaller than this.
const BYTES_PER_FILE: u64 = 8 << 10;
/// Files of `/proc` that tell of the machine, hidden.
const HIDDEN: [&str; 5] = ["kcore", "keys", "timer_list", "kmsg", "config.gz"];
/// Parts of `/proc` that change the machine, read-only.
const FROZEN: [&str; 5] = ["sys", "bus", "fs", "irq", "sysrq-trigger"];

/// What is mounted, and for whom.
pub(super) struct Tree<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) sources: &'a Sources,
    pub(super) resolv_conf: &'a [u8],
    pub(super) console: Option<&'a OwnedFd>,
    /// The process's own cgroups, and where they are looked for.
    pub(super) limits: &'a [(OwnedFd, &'static str)],
}

impl Tree<'_> {
    /// Mounts everything, for a process whose root directory is the stack's tree.
    pub(super) fn build(&self) -> Outcome<()> {
        self.scratch()?;
        self.etc().at("writing /etc")?;
        self.app()?;
        proc()?;
        self.devices()?;
        for (group, target) in self.limits {
            mount::attach(group.as_fd(), here(), target).at("mounting the cgroup")?;
        }
        for shown in &self.sources.binds {
            self.bind(shown).at_place("mounting", &shown.target)?;
        }
        // Last, since it hides the bare scratch directories from the app.
        bind("/tmp/tmp", "/tmp").at("mounting /tmp")
    }

    fn uid(&self) -> u32 {
        self.envelope.spec.uid
    }

    /// One bounded memory file system for all that is lost at the end.
    fn scratch(&self) -> Outcome<()> {
        let bytes = self
            .envelope
            .spec
            .limits
            .disk
            .unwrap_or(DEFAULT_DISK)
            .max(1 << 20);
        let (size, files) = (
            bytes.to_string(),
            (bytes / BYTES_PER_FILE).max(1024).to_string(),
        );
        let options = [("mode", "0755"), ("size", &*size), ("nr_inodes", &*files)];
        let scratch = mount::create(c"tmpfs", &options, NO_SUID | NO_DEV).at("making a tmpfs")?;
        mount::attach(scratch.as_fd(), here(), "/tmp").at("mounting the tmpfs")?;
        let sources = 0..self.sources.sources.len();
        let names = sources.map(|index| format!("/tmp/m{index}"));
        let fixed = ["upper", "work", "tmp", "shm", "etc"].map(|name| format!("/tmp/{name}"));
        for path in fixed.into_iter().chain(names) {
            file::mkdir_at(here(), &path, 0o755).at_place("making", &path)?;
        }
        for path in ["/tmp/tmp", "/tmp/shm"] {
            file::chmod_at(here(), path, 0o1777).at_place("opening", path)?;
        }
        file::chown_at(here(), "/tmp/upper", self.uid()).at("giving away /app")
    }

    fn etc(&self) -> io::Result<()> {
        let (spec, uid) = (&self.envelope.spec, self.uid());
        let mut hosts = format!(
            "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {}\n",
            spec.hostname
        );
        for (address, name) in &spec.system.hosts {
            hosts.push_str(&format!("{address} {name}\n"));
        }
        let passwd = format!(
            "root:x:0:0:root:/:/usr/sbin/nologin\napp:x:{uid}:{uid}:app:/app:/bin/bash\n\
             nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
        );
        let group = format!("root:x:0:\napp:x:{uid}:\nnogroup:x:65534:\n");
        let at = file::open_at(here(), "/tmp/etc", libc::O_RDONLY | libc::O_DIRECTORY)?;
        file::write_file(at.as_fd(), "passwd", passwd.as_bytes())?;
        file::write_file(at.as_fd(), "group", group.as_bytes())?;
        file::write_file(at.as_fd(), "hosts", hosts.as_bytes())?;
        file::write_file(
            at.as_fd(),
            "hostname",
            format!("{}\n", spec.hostname).as_bytes(),
        )?;
        file::write_file(at.as_fd(), "resolv.conf", self.resolv_conf)?;
        let tree = mount::clone_tree(here(), "/tmp/etc", false)?;
        mount::set(tree.as_fd(), READ_ONLY | NO_SUID | NO_DEV | NO_EXEC, false)?;
        mount::attach(tree.as_fd(), here(), "/run/noon")
    }

    fn app(&self) -> Outcome<()> {
        for (index, source) in self.sources.sources.iter().enumerate() {
            let path = format!("/tmp/m{index}");
            mount::attach(source.mount.as_fd(), here(), &path).at("mounting a layer")?;
        }
        let (upper, work) = self.upper();
        if self.sources.layers.is_empty() {
            return bind(&upper.replace('\\', ""), "/app").at("mounting /app");
        }
        let layers = self.sources.layers.iter().rev();
        let lower: Vec<String> = layers
            .map(|part| format!("/tmp/m{}/{}", part.source, part.name))
            .collect();
        let mut options = format!(
            "lowerdir={},upperdir={upper},workdir={work}",
            lower.join(":")
        );
        if self.envelope.nested {
            options.push_str(",userxattr");
        }
        mount::overlay(c"/app", &options).at("mounting /app")
    }

    fn upper(&self) -> (String, String) {
        match &self.sources.upper {
            Some((part, work)) => {
                let at = format!("/tmp/m{}", part.source);
                (format!("{at}/{}", part.name), format!("{at}/{work}"))
            }
            None => ("/tmp/upper".to_owned(), "/tmp/work".to_owned()),
        }
    }

    fn devices(&self) -> Outcome<()> {
        bind("/tmp/shm", "/dev/shm").at("mounting /dev/shm")?;
        let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
        let terminals = mount::create(c"devpts", &options, NO_SUID | NO_EXEC);
        let terminals = terminals.at("making a devpts")?;
        mount::attach(terminals.as_fd(), here(), "/dev/pts").at("mounting /dev/pts")?;
        match self.console {
            Some(tree) => mount::attach(tree.as_fd(), here(), "/dev/console"),
            None => Ok(()),
        }
        .at("mounting /dev/console")
    }

    fn bind(&self, shown: &Shown) -> io::Result<()> {
        let Some(path) = shown.target.strip_prefix("/app/") else {
            return mount::attach(shown.mount.as_fd(), here(), &shown.target);
        };
        let app = file::open_at(here(), "/app", libc::O_PATH | libc::O_DIRECTORY)?;
        let place = Place {
            path,
            is_directory: shown.is_directory,
            owner: self.uid(),
        };
        mount::attach(shown.mount.as_fd(), place.make(app.as_fd())?.as_fd(), "")
    }
}

fn bind(source: &str, target: &str) -> io::Result<()> {
    let tree = mount::clone_tree(here(), source, false)?;
    mount::attach(tree.as_fd(), here(), target)
}

fn proc() -> Outcome<()> {
    let options = [("hidepid", "invisible")];
    let fresh = mount::create(c"proc", &options, NO_SUID | NO_DEV | NO_EXEC).at("making a proc")?;
    mount::attach(fresh.as_fd(), here(), "/proc").at("mounting /proc")?;
    let nothing = nothing().at("taking /dev/null")?;
    for name in HIDDEN {
        hide(&fresh, name, &nothing).at_place("hiding /proc/", name)?;
    }
    for name in FROZEN {
        freeze(&fresh, name).at_place("freezing /proc/", name)?;
    }
    Ok(())
}

/// The source of masks, held by a descriptor and known to be the device: CVE-2025-31133.
fn nothing() -> io::Result<OwnedFd> {
    let device = file::open_at(here(), "/dev/null", libc::O_PATH | libc::O_NOFOLLOW)?;
    let (major, minor) = NULL;
    match file::is_device(device.as_fd(), major, minor)? {
        true => Ok(device),
        false => crate::sys::errno(libc::ENODEV),
    }
}

/// Puts `/dev/null` over a file of a `/proc` that was just made.
fn hide(proc: &OwnedFd, name: &str, nothing: &OwnedFd) -> io::Result<()> {
    let Some(target) = inode(proc, name)? else {
        return Ok(());
    };
    let mask = mount::clone_tree(nothing.as_fd(), "", false)?;
    mount::attach(mask.as_fd(), target.as_fd(), "")
}

/// Makes a part of a `/proc` that was just made read-only.
fn freeze(proc: &OwnedFd, name: &str) -> io::Result<()> {
    let Some(target) = inode(proc, name)? else {
        return Ok(());
    };
    let frozen = mount::clone_tree(target.as_fd(), "", false)?;
    let flags = READ_ONLY | NO_SUID | NO_DEV | NO_EXEC;
    mount::set(frozen.as_fd(), flags, false)?;
    mount::attach(frozen.as_fd(), target.as_fd(), "")
}

/// A part of a `/proc`, on that very mount; what this kernel does not have need not be covered.
fn inode(proc: &OwnedFd, name: &str) -> io::Result<Option<OwnedFd>> {
    match file::open_within(proc.as_fd(), name, libc::O_PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
