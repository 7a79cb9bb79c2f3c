//! What this room is told at its start.

use std::path::{Path, PathBuf};

/// Where things are, and how much of a push is too much.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds one bare repository per app, `<app id>.git`.
    pub repos_dir: PathBuf,
    /// Holds source trees while they are handed over; on the file system of the layers. What it
    /// holds at the start is left over from a crash and is removed.
    pub checkouts_dir: PathBuf,
    /// Holds `hook.sock`, the platform's hooks and git's empty home.
    pub run_dir: PathBuf,
    /// The program that the hook starts as `<program> git-hook`.
    pub noon_exe: PathBuf,
    /// The git program, as a name to find on the usual path or as an absolute path.
    pub git: PathBuf,
    /// The most that one push may send, in bytes of its pack.
    pub max_pack_bytes: u64,
    /// The most that one source tree may hold, in bytes.
    pub max_checkout_bytes: u64,
    /// The most files and directories that one source tree may hold.
    pub max_checkout_files: u64,
}

impl Settings {
    /// Takes the usual places below the data directory, and limits of 512 MiB for a pack, 2 GiB
    /// and 500,000 files for a source tree.
    pub fn below(data_dir: &Path, noon_exe: PathBuf) -> Self {
        Self {
            repos_dir: data_dir.join("repos"),
            checkouts_dir: data_dir.join("checkouts"),
            run_dir: data_dir.join("run"),
            noon_exe,
            git: PathBuf::from("git"),
            max_pack_bytes: 512 << 20,
            max_checkout_bytes: 2 << 30,
            max_checkout_files: 500_000,
        }
    }

    pub(crate) fn hook_socket(&self) -> PathBuf {
        self.run_dir.join("hook.sock")
    }

    pub(crate) fn hooks_dir(&self) -> PathBuf {
        self.run_dir.join("git-hooks")
    }

    pub(crate) fn home_dir(&self) -> PathBuf {
        self.run_dir.join("git-home")
    }
}
