//! An ordinary user, made for a test run by root and removed after it.

use std::process::Command;

/// An ordinary user of this machine, with a range of further ids.
#[derive(Debug)]
pub struct TestUser {
    /// The name.
    pub name: String,
    /// The user id, which is the group id too.
    pub uid: u32,
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
            .output()
            .is_ok_and(|output| output.status.success());
        let id = Command::new("id").args(["-u", name]).output().ok()?;
        let uid = String::from_utf8_lossy(&id.stdout).trim().parse().ok()?;
        made.then(|| Self {
            name: name.to_owned(),
            uid,
        })
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["-f", &self.name]).output();
    }
}
