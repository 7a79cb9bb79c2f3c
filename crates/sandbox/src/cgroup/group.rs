//! One group in one hierarchy.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use crate::sys::file;

/// The group that holds ours.
pub(super) const PARENT: &str = "noon";

/// The name of the groups of a shim's directory.
pub(super) fn name(directory: &Path) -> String {
    // FNV-1a: the same in every version, so that `clear` finds what an older shim made.
    let hash = directory
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3_u64)
        });
    format!("{hash:016x}")
}

/// One group in one hierarchy.
pub(super) struct Group {
    parent: OwnedFd,
    name: String,
    pub(super) itself: OwnedFd,
}

impl Group {
    pub(super) fn make(home: &Path, name: &str, prepare: impl Fn(&OwnedFd)) -> io::Result<Self> {
        let home = file::open_dir(home)?;
        file::mkdir_at(home.as_fd(), PARENT, 0o755)?;
        prepare(&home);
        let parent = open(&home, PARENT)?;
        prepare(&parent);
        file::mkdir_at(parent.as_fd(), name, 0o755)?;
        let itself = open(&parent, name)?;
        Ok(Self {
            parent,
            name: name.to_owned(),
            itself,
        })
    }

    pub(super) fn set(&self, knob: &str, value: u64) -> io::Result<()> {
        self.write(knob, &value.to_string())
    }

    pub(super) fn write(&self, knob: &str, text: &str) -> io::Result<()> {
        file::write_knob(self.itself.as_fd(), knob, text)
    }

    pub(super) fn has(&self, knob: &str) -> bool {
        file::open_at(self.itself.as_fd(), knob, libc::O_RDONLY).is_ok()
    }

    pub(super) fn read(&self, knob: &str) -> String {
        file::read_knob(self.itself.as_fd(), knob).unwrap_or_default()
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove(self.parent.as_fd(), &self.name)
    }
}

pub(super) fn open(at: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    file::open_at(at.as_fd(), name, libc::O_RDONLY | libc::O_DIRECTORY)
}

/// The kernel lets go of a group a moment after its last process.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    for _ in 0..500 {
        match file::unlink_at(parent, name, libc::AT_REMOVEDIR) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => return done,
        }
    }
    crate::sys::errno(libc::EBUSY)
}

/// Turns on the controllers for the groups below, where they are to be had.
pub(super) fn turn_on(group: &OwnedFd) {
    let listed = |knob| file::read_knob(group.as_fd(), knob).unwrap_or_default();
    let available = listed("cgroup.controllers");
    let wanted = ["memory", "pids", "cpu"]
        .into_iter()
        .filter(|name| has_word(&available, name));
    let wanted: Vec<&str> = wanted.collect();
    if wanted.is_empty() {
        return;
    }
    let knob = "cgroup.subtree_control";
    let now = listed(knob);
    for controller in wanted.into_iter().filter(|name| !has_word(&now, name)) {
        let _ = file::write_knob(group.as_fd(), knob, &format!("+{controller}"));
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_always_gets_the_same_name() {
        assert_eq!(name(Path::new("/run/a")), name(Path::new("/run/a")));
        assert_ne!(name(Path::new("/run/a")), name(Path::new("/run/b")));
    }
}
