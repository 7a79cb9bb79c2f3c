//! A git repository in a house, as an app's author has it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{House, Ran};

/// A work tree with a history of its own.
#[derive(Debug)]
pub struct Repo<'h> {
    house: &'h House,
    dir: PathBuf,
}

impl<'h> Repo<'h> {
    pub(crate) fn new(house: &'h House, name: &str) -> Self {
        let repo = Self {
            house,
            dir: house.home().join("src").join(name),
        };
        fs::create_dir_all(&repo.dir).expect("a work tree");
        house.chown(&repo.dir);
        let _ = repo.git(&["init", "--quiet", "--initial-branch=main"]).ok();
        repo
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file; one that begins with `#!` can be executed.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a file");
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        self.house.chown(&self.dir);
        self
    }

    /// Copies a directory's files in.
    pub fn copy(&self, from: &Path) -> &Self {
        let copied = std::process::Command::new("cp")
            .args([
                "-R",
                &format!("{}/.", from.display()),
                &self.dir.display().to_string(),
            ])
            .status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "not copied: {}",
            from.display()
        );
        self.house.chown(&self.dir);
        self
    }

    /// Commits all that is there.
    pub fn commit(&self, message: &str) -> &Self {
        let _ = self.git(&["add", "--all"]).ok();
        let _ = self
            .git(&["commit", "--quiet", "--allow-empty", "--message", message])
            .ok();
        self
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> Ran {
        self.house.run_in(&self.dir, "git", arguments)
    }

    /// Runs any program in it.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        self.house.run_in(&self.dir, program, arguments)
    }

    /// Runs noon in it.
    pub fn noon(&self, arguments: &[&str]) -> Ran {
        self.house.noon_in(&self.dir, arguments)
    }

    /// Pushes to the deploy branch.
    pub fn push(&self) -> Ran {
        self.git(&["push", "noon", "main"])
    }
}
