//! What is made for one launch before the fork, while the host is still in sight.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::failure::{At, Outcome};
use super::place::Place;
use super::sources::{Shown, Sources, Taker};
use crate::cgroup::{Cgroup, Homes};
use crate::envelope::{Envelope, Wiring};
use crate::seccomp::Filter;
use crate::sys::file::{self, here};
use crate::sys::mount::{self, NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};

/// How much an app may print before somebody must read; best effort.
const PIPE_BYTES: i32 = 1 << 20;

/// What the launcher sends along with its words.
pub(super) struct Given {
    pub(super) directory: OwnedFd,
    pub(super) namespace: OwnedFd,
    pub(super) root: OwnedFd,
    pub(super) lent: Option<OwnedFd>,
    pub(super) stdio: Vec<OwnedFd>,
}

impl Given {
    pub(super) fn new(fds: Vec<OwnedFd>, has_lent: bool) -> io::Result<Self> {
        let mut fds = fds.into_iter();
        match (fds.next(), fds.next(), fds.next()) {
            (Some(directory), Some(namespace), Some(root)) => {
                let lent = if has_lent { fds.next() } else { None };
                let stdio = fds.collect();
                Ok(Self {
                    directory,
                    namespace,
                    root,
                    lent,
                    stdio,
                })
            }
            _ => Err(crate::codec::cut()),
        }
    }
}

/// What is made before the fork, while the host is still in sight.
pub(super) struct Ground {
    pub(super) proc: OwnedFd,
    pub(super) sources: Sources,
    pub(super) lends: Option<(u32, OwnedFd)>,
    pub(super) cgroup: Cgroup,
    pub(super) limits: Vec<(OwnedFd, &'static str)>,
    pub(super) resolv_conf: Vec<u8>,
    pub(super) console: Option<OwnedFd>,
    pub(super) output: Option<(OwnedFd, OwnedFd)>,
    pub(super) nothing: OwnedFd,
    pub(super) filter: Filter,
}

pub(super) fn prepare(envelope: &Envelope, given: &Given) -> Outcome<Ground> {
    let spec = &envelope.spec;
    let proc = file::open_dir("/proc".as_ref()).at("opening /proc")?;
    let lent = given.lent.as_ref().and_then(|lent| lent.try_clone().ok());
    let mut sources = Taker::new(envelope, &proc, lent).take()?;
    let lends = sources.lends.take();
    for shown in &sources.binds {
        make_target(given, shown).at_place("making", &shown.target)?;
    }
    let output = match envelope.wiring {
        Wiring::Piped => Some(file::pipe().at("making a pipe")?),
        _ => None,
    };
    if let Some((read, _)) = &output {
        file::widen_pipe(read.as_fd(), PIPE_BYTES);
    }
    let console = console(envelope, given).at("taking the terminal")?;
    let nothing = file::open_at(here(), "/dev/null", libc::O_RDWR).at("opening /dev/null")?;
    let homes = Homes::find(envelope.nested).at("looking for cgroups")?;
    let cgroup = Cgroup::make(&homes, &envelope.directory, &spec.limits);
    let cgroup = cgroup.at("making the cgroups")?;
    let resolv_conf = resolv_conf(envelope);
    let filter = Filter::compile();
    Ok(Ground {
        proc,
        sources,
        lends,
        limits: shown_limits(&cgroup).at("showing the cgroup")?,
        cgroup,
        resolv_conf,
        console,
        output,
        nothing,
        filter,
    })
}

/// Mount points outside `/app` lie in the stack's root directory, which all its copies share.
fn make_target(given: &Given, shown: &Shown) -> io::Result<()> {
    if shown.target.starts_with("/app/") {
        return Ok(());
    }
    let place = Place {
        path: &shown.target,
        is_directory: shown.is_directory,
        owner: 0,
    };
    place.make(given.root.as_fd()).map(drop)
}

/// The terminal as `/dev/console`, so that programs inside find its name.
fn console(envelope: &Envelope, given: &Given) -> io::Result<Option<OwnedFd>> {
    match (envelope.wiring, given.stdio.first()) {
        (Wiring::Terminal, Some(inner)) => {
            if !envelope.nested {
                file::chown_at(inner.as_fd(), "", envelope.spec.uid)?;
            }
            let path = format!("/proc/self/fd/{}", inner.as_raw_fd());
            mount::clone_tree(here(), &path, false).map(Some)
        }
        _ => Ok(None),
    }
}

/// The groups of the process, so that runtimes which size themselves by them find them.
fn shown_limits(cgroup: &Cgroup) -> io::Result<Vec<(OwnedFd, &'static str)>> {
    let show = |(group, target)| Ok((show_group(group)?, target));
    cgroup.views().into_iter().map(show).collect()
}

/// A group as it may be seen: nothing in it can be changed.
pub(super) fn show_group(group: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let tree = mount::clone_tree(group, "", false)?;
    mount::set(tree.as_fd(), READ_ONLY | NO_SUID | NO_DEV | NO_EXEC, false)?;
    Ok(tree)
}

fn resolv_conf(envelope: &Envelope) -> Vec<u8> {
    let servers = &envelope.spec.system.nameservers;
    match servers.is_empty() {
        true => std::fs::read("/etc/resolv.conf").unwrap_or_default(),
        false => {
            let lines = servers
                .iter()
                .map(|server| format!("nameserver {server}\n"));
            lines.collect::<String>().into_bytes()
        }
    }
}
