//! The file in which `noon login` keeps tokens: one per server, readable by its owner alone.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use noon_domain::Secret;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the file holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// The server that was logged in to last, by its URL.
    #[serde(default)]
    pub current: Option<String>,
    /// What is known of each server, by its URL.
    #[serde(default)]
    servers: BTreeMap<String, Login>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Login {
    email: String,
    token: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file; where there is none, nothing is known.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Usage`] where it is no such file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Error::io(format!("reading {}", path.display()))(error)),
        };
        serde_json::from_str(&text).map_err(|error| {
            Error::usage(
                format!("{} is damaged: {error}", path.display()),
                "remove it and log in again with `noon login`",
            )
        })
    }

    /// Replaces the file whole, with mode 0600.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = || Error::io(format!("writing {}", path.display()));
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(failed())?;
        let fresh = path.with_extension(format!("new.{}", std::process::id()));
        let bytes = serde_json::to_vec_pretty(self).expect("texts below texts are always JSON");
        write_private(&fresh, &bytes)
            .and_then(|()| fs::rename(&fresh, path))
            .map_err(failed())
    }

    /// The token for a server.
    pub fn token(&self, server: &str) -> Option<Secret<String>> {
        self.servers
            .get(server)
            .map(|login| Secret::new(login.token.clone()))
    }

    /// Keeps a token, and makes its server the current one.
    pub fn keep(&mut self, server: &str, email: &str, token: &Secret<String>) {
        let login = Login {
            email: email.to_owned(),
            token: token.expose().clone(),
        };
        self.servers.insert(server.to_owned(), login);
        self.current = Some(server.to_owned());
    }

    /// Forgets the token for a server; says whether there was one.
    pub fn forget(&mut self, server: &str) -> bool {
        if self.current.as_deref() == Some(server) {
            self.current = None;
        }
        self.servers.remove(server).is_some()
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Where the file is: `noon/credentials.json` below the user's directory of settings.
pub fn default_path(var: impl Fn(&str) -> Option<String>) -> PathBuf {
    let config = var("XDG_CONFIG_HOME")
        .filter(|dir| dir.starts_with('/'))
        .map(PathBuf::from);
    let home = || PathBuf::from(var("HOME").unwrap_or_else(|| "/".to_owned())).join(".config");
    config
        .unwrap_or_else(home)
        .join("noon")
        .join("credentials.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_for_its_owner_alone_and_reads_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("noon/credentials.json");
        let mut credentials = Credentials::read(&path).unwrap();
        credentials.keep(
            "http://h:1",
            "me@example.org",
            &Secret::new("t0ken".to_owned()),
        );
        credentials.write(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let mut read = Credentials::read(&path).unwrap();
        assert_eq!(read.token("http://h:1").unwrap().expose(), "t0ken");
        assert_eq!(read.current.as_deref(), Some("http://h:1"));
        assert!(!format!("{read:?}").contains("t0ken"));
        assert!(read.forget("http://h:1") && read.token("http://h:1").is_none());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_was_open_to_others_is_closed_when_written() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("credentials.json");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Credentials::read(&path).unwrap().write(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_damaged_file_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("credentials.json");
        fs::write(&path, "{").unwrap();
        let error = Credentials::read(&path).unwrap_err().to_string();
        assert!(error.contains("credentials.json"), "{error}");
    }

    #[test]
    fn the_users_directory_of_settings_wins_over_home() {
        let vars = |config: Option<&'static str>| {
            move |name: &str| match name {
                "XDG_CONFIG_HOME" => config.map(str::to_owned),
                "HOME" => Some("/home/me".to_owned()),
                _ => None,
            }
        };
        let path = default_path(vars(Some("/cfg")));
        assert_eq!(path, Path::new("/cfg/noon/credentials.json"));
        for none in [None, Some(""), Some("relative")] {
            let path = default_path(vars(none));
            assert_eq!(path, Path::new("/home/me/.config/noon/credentials.json"));
        }
    }
}
