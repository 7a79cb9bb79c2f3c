//! A home of the demo's own, so that the user's settings of git and noon stay as they are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::example::Example;
use crate::error::{Error, Result};

const GIT_CONFIG: &str = "[user]\n\tname = Demo\n\temail = demo@localhost\n\
                          [init]\n\tdefaultBranch = main\n[advice]\n\tdefaultBranchName = false\n";

/// A directory with a home, the app, a `noon` to type, and the server's data.
#[derive(Debug)]
pub struct Home {
    dir: TempDir,
}

impl Home {
    /// Makes it.
    ///
    /// # Errors
    /// [`Error::Io`] where the directory for temporary files cannot be written to.
    pub fn make(example: &Example) -> Result<Self> {
        let failed = || Error::io("making a home for the demo");
        let dir = tempfile::Builder::new()
            .prefix("noon-demo-")
            .tempdir()
            .map_err(failed())?;
        let home = Self { dir };
        for name in ["home", "bin", "app", "data"] {
            fs::create_dir(home.at(name)).map_err(failed())?;
        }
        fs::write(home.at("home/.gitconfig"), GIT_CONFIG).map_err(failed())?;
        let noon = std::env::current_exe().map_err(failed())?;
        symlink(noon, home.at("bin/noon")).map_err(failed())?;
        example.write(&home.at("app"))?;
        Ok(home)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A place in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program that finds this home and nothing of the user's.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if is_left_behind(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("HOME", self.at("home"))
            .env("XDG_CONFIG_HOME", self.at("home/.config"))
            .env("GIT_CONFIG_GLOBAL", self.at("home/.gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("PATH", format!("{}:{path}", self.at("bin").display()));
        for name in ["no_proxy", "NO_PROXY"] {
            let others = std::env::var(name).unwrap_or_default();
            command.env(
                name,
                format!("127.0.0.1,localhost,{others}").trim_end_matches(','),
            );
        }
        command
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// [`Error::Io`] where something is left.
    pub fn remove(self) -> Result<()> {
        let path = self.path().display().to_string();
        self.dir
            .close()
            .map_err(Error::io(format!("removing {path}")))
    }
}

/// Settings of the user's that would change what the demo does.
fn is_left_behind(name: &str) -> bool {
    name.starts_with("NOON_") || name.starts_with("GIT_") || name.starts_with("XDG_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_the_demo_sees_nothing_of_the_users() {
        let example = Example::choose().unwrap();
        let home = Home::make(&example).unwrap();
        let script = "echo $HOME $XDG_CONFIG_HOME; command -v noon; git config user.email";
        let output = home.command("sh").arg("-c").arg(script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let at = |name: &str| home.at(name).display().to_string();
        let expected = format!(
            "{} {}\n{}\ndemo@localhost\n",
            at("home"),
            at("home/.config"),
            at("bin/noon")
        );
        assert_eq!(text, expected);
        let path = home.path().to_owned();
        home.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn the_users_settings_are_left_behind_and_the_machines_are_not() {
        for left in [
            "NOON_DATABASE_URL",
            "NOON_TOKEN",
            "GIT_DIR",
            "XDG_CONFIG_HOME",
        ] {
            assert!(is_left_behind(left), "{left}");
        }
        for kept in [
            "PATH",
            "LANG",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
            "PIP_INDEX_URL",
        ] {
            assert!(!is_left_behind(kept), "{kept}");
        }
    }
}
