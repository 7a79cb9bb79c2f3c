//! One app's repository, as the platform keeps it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use noon_domain::{AppId, Commit};
use tokio::fs;
use tokio::process::Command;
use uuid::Uuid;

use crate::git::{self, Git};
use crate::plan::Tips;
use crate::{Error, Settings};

/// Hands files out byte for byte as they were committed, whatever a pushed `.gitattributes` wants.
const ATTRIBUTES: &str = "* -text -ident -filter !eol !working-tree-encoding\n";

/// A bare repository.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    git: Git,
    path: PathBuf,
}

/// Where the objects of a push lie until it is accepted: the variables that git told its hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quarantine(pub Vec<(OsString, OsString)>);

impl Repository {
    /// Opens an app's repository, and makes it at the app's first push.
    pub async fn ensure(git: &Git, settings: &Settings, app: AppId) -> Result<Self, Error> {
        let path = path(settings, app);
        let repository = Self {
            git: git.clone(),
            path,
        };
        if !repository.exists().await {
            repository.create(settings).await?;
        }
        Ok(repository)
    }

    async fn exists(&self) -> bool {
        fs::try_exists(self.path.join("HEAD"))
            .await
            .unwrap_or(false)
    }

    /// Made beside and moved into place, so that two first pushes at once do no harm.
    async fn create(&self, settings: &Settings) -> Result<(), Error> {
        let new = settings
            .repos_dir
            .join(format!("new-{}", Uuid::new_v4().simple()));
        let mut init = self.git.command("init", &new);
        init.args(["--bare", "--quiet", "--initial-branch=main", "--template="]);
        git::answer(init).await?;
        let info = new.join("info");
        fs::create_dir_all(&info)
            .await
            .map_err(Error::files("make", &info))?;
        let attributes = info.join("attributes");
        fs::write(&attributes, ATTRIBUTES)
            .await
            .map_err(Error::files("write", &attributes))?;
        match fs::rename(&new, &self.path).await {
            Err(_) if self.exists().await => fs::remove_dir_all(&new)
                .await
                .map_err(Error::files("remove", &new)),
            renamed => renamed.map_err(Error::files("make", &self.path)),
        }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command on it that sees accepted objects only.
    pub fn command(&self, subcommand: &str) -> Command {
        self.git.command(subcommand, &self.path)
    }

    /// A command on it that sees the objects of a push as well.
    pub fn command_in(&self, quarantine: &Quarantine, subcommand: &str) -> Command {
        let mut command = self.command(subcommand);
        command.envs(quarantine.0.iter().map(|(key, value)| (key, value)));
        command
    }

    /// A command that talks to a client over its standard input and output.
    pub fn service(&self, subcommand: &str) -> Command {
        let mut command = self.command(subcommand);
        command.env_remove("GIT_DIR").stdin(Stdio::piped());
        command
    }

    /// Where the branches that may deploy are now.
    pub async fn tips(&self) -> Result<Tips, Error> {
        let mut command = self.command("for-each-ref");
        command.args([
            "--format=%(objectname) %(refname)",
            "refs/heads/main",
            "refs/heads/master",
        ]);
        let refs = git::answer(command).await?;
        let find = |name: &str| {
            let mut tips = refs.lines().filter_map(|line| line.split_once(' '));
            tips.find(|(_, found)| *found == name)
                .and_then(|(tip, _)| tip.parse::<Commit>().ok())
        };
        Ok(Tips {
            main: find("refs/heads/main"),
            master: find("refs/heads/master"),
        })
    }

    /// Makes clones check out the branch that is deployed.
    pub async fn set_head(&self, branch: &str) -> Result<(), Error> {
        let mut command = self.command("symbolic-ref");
        command.args(["HEAD", &format!("refs/heads/{branch}")]);
        git::answer(command).await.map(drop)
    }
}

/// Removes an app's repository and all that was pushed to it. Removing what is not there is fine.
///
/// # Errors
/// [`Error::Files`] if the file system refuses.
pub async fn remove_repository(settings: &Settings, app: AppId) -> Result<(), Error> {
    let from = path(settings, app);
    let gone = settings
        .repos_dir
        .join(format!("old-{}", Uuid::new_v4().simple()));
    match fs::rename(&from, &gone).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(Error::files("remove", &from))?,
    }
    fs::remove_dir_all(&gone)
        .await
        .map_err(Error::files("remove", &gone))
}

fn path(settings: &Settings, app: AppId) -> PathBuf {
    settings.repos_dir.join(format!("{app}.git"))
}
