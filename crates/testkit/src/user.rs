//! An ordinary user, made for a test run by root and removed after it.

use std::process::Command;

/// An ordinary user of this machine, with a range of further ids.
#[derive(Debug)]
pub struct TestUser {
    /// The name.
    pub name: String,
    /// The user id, which is the group id too.
    pub uid: u32,
    is_ours: bool,
}

impl TestUser {
    /// Makes a user; `None` where this test does not run as root or users cannot be made.
    pub fn make(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can make a second user");
            return None;
        }
        let _ = Command::new("userdel").args(["-f", name]).output();
        let made = Command::new("useradd")
            .args([
                "--no-create-home",
                "--shell",
                "/bin/sh",
                "--user-group",
                name,
            ])
            .output();
        let mut user = Self::existing(name)?;
        user.is_ours = made.is_ok_and(|output| output.status.success());
        user.is_ours.then_some(user)
    }

    /// A user that there is.
    pub fn existing(name: &str) -> Option<Self> {
        let id = Command::new("id").args(["-u", name]).output().ok()?;
        let uid = String::from_utf8_lossy(&id.stdout).trim().parse().ok()?;
        Some(Self {
            name: name.to_owned(),
            uid,
            is_ours: false,
        })
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = Command::new("userdel").args(["-f", &self.name]).output();
        }
    }
}
