//! A commit's files, written out for the build.

use std::path::{Path, PathBuf};

use noon_domain::{Commit, SourceTree};
use tokio::fs;
use tokio::process::Command;
use uuid::Uuid;

use crate::repository::{Quarantine, Repository};
use crate::{Error, git};

/// A source tree that is removed, in the background, when this is dropped before `keep`.
#[derive(Debug)]
pub(crate) struct Checkout {
    dir: Option<PathBuf>,
}

impl Checkout {
    /// The directory is its new owner's affair from here on.
    pub fn keep(mut self) {
        self.dir = None;
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.take() {
            discard(dir);
        }
    }
}

/// Removes a tree, which may take minutes, without making anyone wait.
pub(crate) fn discard(dir: PathBuf) {
    std::thread::spawn(move || match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(dir = %dir.display(), %error, "could not remove a source tree");
        }
        _ => {}
    });
}

/// Writes a tree into a new directory below `checkouts`, symbolic links as they are.
pub(crate) async fn check_out(
    repository: &Repository,
    quarantine: &Quarantine,
    (checkouts, commit, tree): (&Path, Commit, Commit),
) -> Result<(SourceTree, Checkout), Error> {
    let dir = checkouts.join(Uuid::new_v4().simple().to_string());
    let index = dir.with_extension("index");
    fs::create_dir(&dir)
        .await
        .map_err(Error::files("make", &dir))?;
    let guard = Checkout {
        dir: Some(dir.clone()),
    };
    let with_index = |mut command: Command| {
        command
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_WORK_TREE", &dir)
            .current_dir(&dir);
        command
    };
    let mut read = with_index(repository.command_in(quarantine, "read-tree"));
    read.arg(tree.as_str());
    let mut write = with_index(repository.command_in(quarantine, "checkout-index"));
    write.args(["--all", "--quiet"]);
    let written = match git::answer(read).await {
        Ok(_) => git::answer(write).await,
        failed => failed,
    };
    let removed = fs::remove_file(&index)
        .await
        .map_err(Error::files("remove", &index));
    written?;
    removed?;
    Ok((SourceTree { dir, commit, tree }, guard))
}
