//! The directories of the host that a sandbox shows, taken hold of while the host is in sight.
//!
//! Each becomes a detached mount with its flags set, so that what is inside the walls can neither
//! reach past it nor write where it must not. As real root, what belongs to the owner of a
//! directory is shown as the app's own, and what the app writes is the owner's on disk: the same
//! layer serves every app, whatever its number.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::failure::{At, Outcome};
use crate::envelope::Envelope;
use crate::sys::file::{self, here};
use crate::sys::mount::{self, NO_DEV, NO_SUID, READ_ONLY};
use crate::sys::process::{self, Forked};
use crate::{Bind, Upper};

/// Who root is on disk where the directories of root are lent to an app; always the same, so that
/// what one process leaves in a layer the next can clear away.
const ROOT_ON_DISK: u32 = 0x7fef_ffff;

/// A detached mount and, below it, what is meant.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) mount: OwnedFd,
    from: PathBuf,
    owner: u32,
}

/// A layer or upper directory: which of the sources, and its name below it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) source: usize,
    pub(super) name: String,
}

/// A bind and where it goes.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) mount: OwnedFd,
    pub(super) target: String,
    pub(super) is_directory: bool,
}

/// Everything of the host that the sandbox shows.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) sources: Vec<Source>,
    pub(super) layers: Vec<Part>,
    pub(super) upper: Option<(Part, String)>,
    pub(super) binds: Vec<Shown>,
    /// A user namespace that was made here, and for which owner.
    pub(super) lends: Option<(u32, OwnedFd)>,
}

/// Takes hold of directories, on behalf of one app.
pub(super) struct Taker<'a> {
    envelope: &'a Envelope,
    proc: &'a OwnedFd,
    /// The first may be the launcher's.
    userns: Vec<(u32, OwnedFd)>,
}

impl<'a> Taker<'a> {
    pub(super) fn new(envelope: &'a Envelope, proc: &'a OwnedFd, lent: Option<OwnedFd>) -> Self {
        let userns = envelope.lent.zip(lent).into_iter().collect();
        Self {
            envelope,
            proc,
            userns,
        }
    }

    pub(super) fn take(mut self) -> Outcome<Sources> {
        let spec = &self.envelope.spec;
        let mut taken = Sources::default();
        for layer in &spec.app.layers {
            let part = self.part(&mut taken.sources, layer, READ_ONLY);
            taken.layers.push(part.at_place("taking the layer", layer)?);
        }
        if let Some(Upper { upper, work }) = &spec.app.upper {
            let part = self
                .part(&mut taken.sources, upper, 0)
                .at_place("taking", upper)?;
            taken.upper = Some((part, name_of(work).at_place("taking", work)?));
        }
        for bind in &spec.mounts {
            let shown = self.bind(bind).at_place("taking", &bind.source)?;
            taken.binds.push(shown);
        }
        if self.envelope.lent.is_none() && !self.userns.is_empty() {
            taken.lends = Some(self.userns.swap_remove(0));
        }
        Ok(taken)
    }

    /// One mount serves all layers of one parent and owner.
    fn part(&mut self, sources: &mut Vec<Source>, path: &Path, flags: u64) -> io::Result<Part> {
        let name = name_of(path)?;
        let from = path.parent().unwrap_or(Path::new("/")).to_owned();
        let directory = file::open_at(here(), &text(path)?, libc::O_PATH | libc::O_DIRECTORY)?;
        let owner = file::stat(directory.as_fd())?.st_uid;
        let same = |held: &Source| flags != 0 && held.from == from && held.owner == owner;
        let source = match sources.iter().position(same) {
            Some(index) => index,
            None => {
                let mount = mount::clone_tree(here(), &text(&from)?, false)?;
                if !self.lend(&mount, owner)? && flags == 0 {
                    file::chown_at(directory.as_fd(), "", self.envelope.spec.uid)?;
                }
                mount::set(mount.as_fd(), flags | NO_SUID | NO_DEV, false)?;
                sources.push(Source { mount, from, owner });
                sources.len() - 1
            }
        };
        Ok(Part { source, name })
    }

    fn bind(&mut self, bind: &Bind) -> io::Result<Shown> {
        let mount = mount::clone_tree(here(), &text(&bind.source)?, false)?;
        let found = file::stat(mount.as_fd())?;
        if bind.writable && !self.lend(&mount, found.st_uid)? {
            file::chown_at(mount.as_fd(), "", self.envelope.spec.uid)?;
        }
        let flags = NO_SUID | NO_DEV | if bind.writable { 0 } else { READ_ONLY };
        mount::set(mount.as_fd(), flags, false)?;
        let is_directory = found.st_mode & libc::S_IFMT == libc::S_IFDIR;
        Ok(Shown {
            mount,
            target: text(&bind.target)?,
            is_directory,
        })
    }

    /// Shows what belongs to `owner` as the app's; false where this file system cannot, and the
    /// app must be given what it is to write. In a user namespace it is the app's already.
    fn lend(&mut self, mount: &OwnedFd, owner: u32) -> io::Result<bool> {
        let app = self.envelope.spec.uid;
        if self.envelope.nested || owner == app {
            return Ok(true);
        }
        let index = match self.userns.iter().position(|(of, _)| *of == owner) {
            Some(index) => index,
            None => {
                self.userns.push((owner, lend(self.proc, owner, app)?));
                self.userns.len() - 1
            }
        };
        match mount::set_idmap(mount.as_fd(), self.userns[index].1.as_fd()) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
            done => done.map(|()| true),
        }
    }
}

/// A user namespace in which what `owner` has on disk is the app's.
fn lend(proc: &OwnedFd, owner: u32, app: u32) -> io::Result<OwnedFd> {
    let (end, alive) = file::pipe()?;
    let (pid, _pidfd) = match process::fork_into(libc::CLONE_NEWUSER, None)? {
        Forked::Parent(pid, pidfd) => (pid, pidfd),
        Forked::Child => {
            drop(alive);
            let _ = file::read(end.as_fd(), &mut [0]);
            process::leave(0);
        }
    };
    let made = map(proc, pid, owner, app);
    drop(alive);
    process::reap(pid, 0)?;
    made
}

fn map(proc: &OwnedFd, pid: i32, owner: u32, app: u32) -> io::Result<OwnedFd> {
    // The kernel's own part of an overlay is written as root, which must be someone on disk too.
    let root = if owner == 0 { ROOT_ON_DISK } else { 0 };
    let map = format!("{owner} {app} 1\n{root} 0 1\n");
    file::write_knob(proc.as_fd(), &format!("{pid}/uid_map"), &map)?;
    file::write_knob(proc.as_fd(), &format!("{pid}/gid_map"), &map)?;
    file::open_at(proc.as_fd(), &format!("{pid}/ns/user"), libc::O_RDONLY)
}

fn text(path: &Path) -> io::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| io::Error::from_raw_os_error(libc::EILSEQ))
}

/// The last part of a path, with what overlay reads as punctuation escaped.
fn name_of(path: &Path) -> io::Result<String> {
    let name = path.file_name().and_then(OsStr::to_str);
    let name = name.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(name
        .replace('\\', "\\\\")
        .replace(':', "\\:")
        .replace(',', "\\,"))
}
