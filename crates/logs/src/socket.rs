//! The platform's socket, at paths of any length.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Listens at `path`, in place of whoever did before; only this user may connect.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let (dir, name) = open_parent(path)?;
    let draft = format!("{name}.new");
    let draft_path = path.with_file_name(&draft);
    match fs::remove_file(&draft_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(within(&dir, &draft))?;
    fs::set_permissions(&draft_path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    fs::rename(&draft_path, path)?;
    Ok(listener)
}

/// Connects to whoever listens at `path`.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let (dir, name) = open_parent(path)?;
    UnixStream::connect(within(&dir, &name))
}

fn open_parent(path: &Path) -> io::Result<(File, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), name) {
        (Some(dir), Some(name)) => Ok((File::open(dir)?, name.to_owned())),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// The name of a file in an open directory, short enough for the kernel's 108 bytes.
fn within(dir: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_longer_than_the_kernels_limit_is_bound_and_reached_by_this_user_only() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("d".repeat(100)).join("e".repeat(100));
        fs::create_dir_all(&deep).unwrap();
        let path = deep.join("logs.sock");
        let first = bind(&path).unwrap();
        connect(&path).unwrap();
        let second = bind(&path).unwrap();
        connect(&path).unwrap();
        assert!(second.accept().is_ok(), "the later listener has the name");
        assert!(first.accept().is_ok());
        assert!(first.accept().is_err());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
    }
}
