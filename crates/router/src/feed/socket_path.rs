//! Unix sockets whose paths are longer than the kernel's 108 bytes: reached through their directory.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A path to a socket that is always short. Good for as long as this value lives.
pub(crate) struct SocketPath {
    _dir: File,
    /// The short path.
    pub(crate) short: PathBuf,
}

impl SocketPath {
    /// Opens the directory of a socket.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let no_name = || io::Error::from(io::ErrorKind::InvalidInput);
        let (parent, name) = (path.parent(), path.file_name().ok_or_else(no_name)?);
        let parent = parent
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let dir = File::open(parent)?;
        let short = Path::new("/proc/self/fd")
            .join(dir.as_raw_fd().to_string())
            .join(name);
        Ok(Self { _dir: dir, short })
    }
}
