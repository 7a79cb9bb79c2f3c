//! A tree, made normal and hashed in one walk.
//!
//! What counts is names, kinds, whether a file is executable, where links point, and contents. What
//! does not count is made equal: modes become 0755 or 0644 without set-id bits, the owner becomes
//! noon's, times are fixed. A file's time is drawn from its content, because servers make validators
//! of size and time: two contents of one size must not look alike to a browser's cache.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::Error;

/// 1980-01-01T00:00:00Z, before which zip files have no time. Also `SOURCE_DATE_EPOCH`.
pub(crate) const EPOCH: u64 = 315_532_800;
/// How deep directories may nest.
const MAX_DEPTH: usize = 128;
/// Bytes read at once.
const BUFFER: usize = 128 * 1024;

/// Whether a tree may hold the overlay's marks for deleted files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whiteouts {
    Kept,
    Forbidden,
}

/// A tree that was made normal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Normal {
    pub(crate) digest: [u8; 32],
    /// The contents of all files, in bytes.
    pub(crate) bytes: u64,
    /// Entries below the root.
    pub(crate) entries: u64,
}

/// Makes the tree under `root` normal and hashes it. `below` names the layers on which the tree was
/// made, where it means nothing without them.
pub(crate) fn normalise(root: &Path, whiteouts: Whiteouts, below: &[u8]) -> Result<Normal, Error> {
    let owner = fs::metadata(root.parent().unwrap_or(root)).map_err(Error::io("read", root))?;
    let mut walk = Walk {
        root,
        whiteouts,
        owner: (owner.uid(), owner.gid()),
        hasher: Sha256::new(),
        buffer: vec![0; BUFFER],
        bytes: 0,
        entries: 0,
    };
    walk.hasher.update(b"noon layer 1\0");
    walk.hasher.update((below.len() as u64).to_be_bytes());
    walk.hasher.update(below);
    let metadata = fs::symlink_metadata(root).map_err(Error::io("read", root))?;
    walk.directory(root, &metadata, 0)?;
    Ok(Normal {
        digest: walk.hasher.finalize().into(),
        bytes: walk.bytes,
        entries: walk.entries,
    })
}

struct Walk<'a> {
    root: &'a Path,
    whiteouts: Whiteouts,
    owner: (u32, u32),
    hasher: Sha256,
    buffer: Vec<u8>,
    bytes: u64,
    entries: u64,
}

impl Walk<'_> {
    fn directory(&mut self, path: &Path, metadata: &Metadata, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(self.too_deep(path));
        }
        self.own(path, metadata, 0o755)?;
        for name in sorted_names(path)? {
            let path = path.join(name);
            let metadata = fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
            self.entry(&path, &metadata, depth + 1)?;
        }
        let handle = File::open(path).map_err(Error::io("open", path))?;
        set_time(&handle, path, 0)
    }

    fn entry(&mut self, path: &Path, metadata: &Metadata, depth: usize) -> Result<(), Error> {
        self.entries += 1;
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.record(b'd', path, b"");
            self.directory(path, metadata, depth)
        } else if kind.is_file() {
            self.file(path, metadata)
        } else if kind.is_symlink() {
            self.link(path, metadata)
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            self.whiteout(path)
        } else {
            Err(self.forbidden(path, what_it_is(metadata)))
        }
    }

    fn file(&mut self, path: &Path, metadata: &Metadata) -> Result<(), Error> {
        let executable = metadata.mode() & 0o100 != 0;
        self.own(path, metadata, if executable { 0o755 } else { 0o644 })?;
        let mut file = File::open(path).map_err(Error::io("open", path))?;
        let (digest, bytes) = self.digest(&mut file, path)?;
        self.bytes += bytes;
        self.record(if executable { b'x' } else { b'f' }, path, &digest);
        let salt = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        set_time(&file, path, u64::from(salt) % 1_000_000_000)
    }

    fn digest(&mut self, file: &mut File, path: &Path) -> Result<([u8; 32], u64), Error> {
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        loop {
            let read = file
                .read(&mut self.buffer)
                .map_err(Error::io("read", path))?;
            if read == 0 {
                return Ok((hasher.finalize().into(), bytes));
            }
            hasher.update(&self.buffer[..read]);
            bytes += read as u64;
        }
    }

    fn link(&mut self, path: &Path, metadata: &Metadata) -> Result<(), Error> {
        let target = fs::read_link(path).map_err(Error::io("read", path))?;
        self.chown(path, metadata)?;
        self.record(b'l', path, target.as_os_str().as_bytes());
        Ok(())
    }

    fn whiteout(&mut self, path: &Path) -> Result<(), Error> {
        if self.whiteouts == Whiteouts::Forbidden {
            return Err(self.forbidden(path, "device"));
        }
        self.record(b'w', path, b"");
        Ok(())
    }

    /// One entry, so that no two different trees give the same bytes: every length is told.
    fn record(&mut self, kind: u8, path: &Path, payload: &[u8]) {
        let relative = path.strip_prefix(self.root).unwrap_or(path).as_os_str();
        self.hasher.update([kind]);
        for part in [relative.as_bytes(), payload] {
            self.hasher.update((part.len() as u64).to_be_bytes());
            self.hasher.update(part);
        }
    }

    fn own(&self, path: &Path, metadata: &Metadata, mode: u32) -> Result<(), Error> {
        self.chown(path, metadata)?;
        if metadata.mode() & 0o7777 != mode {
            fs::set_permissions(path, Permissions::from_mode(mode))
                .map_err(Error::io("set the mode of", path))?;
        }
        Ok(())
    }

    fn chown(&self, path: &Path, metadata: &Metadata) -> Result<(), Error> {
        let (uid, gid) = self.owner;
        if (metadata.uid(), metadata.gid()) == self.owner {
            return Ok(());
        }
        lchown(path, Some(uid), Some(gid)).map_err(Error::io("take", path))
    }

    fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(self.root).unwrap_or(path);
        relative.to_string_lossy().chars().take(120).collect()
    }

    fn forbidden(&self, path: &Path, what: &'static str) -> Error {
        Error::Forbidden {
            path: self.shown(path),
            what,
        }
    }

    fn too_deep(&self, path: &Path) -> Error {
        Error::TooDeep {
            path: self.shown(path),
            limit: MAX_DEPTH,
        }
    }
}

/// Names by their bytes, so that no locale and no file system decides the order.
fn sorted_names(dir: &Path) -> Result<Vec<OsString>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        names.push(
            entry
                .map_err(Error::io("read", dir))?
                .file_name()
                .into_vec(),
        );
    }
    names.sort_unstable();
    Ok(names.into_iter().map(OsString::from_vec).collect())
}

fn set_time(handle: &File, path: &Path, seconds: u64) -> Result<(), Error> {
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(EPOCH + seconds);
    let times = fs::FileTimes::new().set_accessed(time).set_modified(time);
    handle
        .set_times(times)
        .map_err(Error::io("set the time of", path))
}

fn what_it_is(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else {
        "device"
    }
}

/// The path of a file inside a tree, if the way there passes no symbolic link.
pub(crate) fn plain_path(root: &Path, relative: &str) -> Option<(PathBuf, Metadata)> {
    let mut path = root.to_owned();
    let mut parts = relative
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .peekable();
    while let Some(part) = parts.next() {
        if part == ".." {
            return None;
        }
        path.push(part);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if parts.peek().is_none() {
            return Some((path, metadata));
        }
        if !metadata.is_dir() {
            return None;
        }
    }
    None
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
