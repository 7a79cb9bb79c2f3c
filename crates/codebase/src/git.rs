//! The git program, started so that no configuration but the platform's applies.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{Error, Settings};

/// The oldest git whose known holes for hostile repositories are closed.
const OLDEST: [u32; 3] = [2, 39, 1];

/// Faults of old histories that harm nobody; everything else that `git fsck` knows is refused.
const HARMLESS_FAULTS: [&str; 6] = [
    "badTimezone",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
];

/// Starts git commands with an environment of their own.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    program: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl Git {
    /// Finds git and checks its age.
    pub fn find(settings: &Settings) -> Result<Self, Error> {
        let git = Self {
            program: settings.git.clone(),
            env: environment(settings),
        };
        let mut command = std::process::Command::new(&git.program);
        let no_git = |source| Error::NoGit {
            git: git.program.clone(),
            source,
        };
        let output = command.arg("version").output().map_err(no_git)?;
        let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if version(&found).is_some_and(|version| version >= OLDEST) {
            Ok(git)
        } else {
            Err(Error::OldGit { found })
        }
    }

    /// A command on one repository, with nothing on its standard input.
    pub fn command(&self, subcommand: &str, repository: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(subcommand)
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .env("GIT_DIR", repository)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Runs a command to its end, whatever its exit status.
pub(crate) async fn output(mut command: Command) -> Result<Output, Error> {
    let name = name(&command);
    command.output().await.map_err(|source| Error::GitPipe {
        command: name,
        source,
    })
}

/// Runs a command to its end on some input, which it reads before it says anything.
pub(crate) async fn converse(mut command: Command, input: &[u8]) -> Result<Output, Error> {
    let name = name(&command);
    let lost = |source| Error::GitPipe {
        command: name.clone(),
        source,
    };
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(lost)?;
    let mut stdin = child.stdin.take().expect("was asked for");
    // A command that stops reading says why by its exit status.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    child.wait_with_output().await.map_err(lost)
}

/// Runs a command that should succeed, and gives what it says.
pub(crate) async fn answer(command: Command) -> Result<String, Error> {
    let name = name(&command);
    let output = output(command).await?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    Err(Error::Git {
        command: name,
        stderr: complaint(&output),
    })
}

/// What a command complained of, in one line.
pub(crate) fn complaint(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr
        .split_whitespace()
        .take(60)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The subcommand of a command, for messages.
pub(crate) fn name(command: &Command) -> String {
    let first = command
        .as_std()
        .get_args()
        .next()
        .unwrap_or(OsStr::new("?"));
    first.to_string_lossy().into_owned()
}

fn environment(settings: &Settings) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path(&settings.git)),
        ("HOME".into(), settings.home_dir().into()),
        ("LC_ALL".into(), "C.UTF-8".into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        ("GIT_ATTR_NOSYSTEM".into(), "1".into()),
        ("GIT_TERMINAL_PROMPT".into(), "0".into()),
        ("NOON_EXE".into(), settings.noon_exe.clone().into()),
    ];
    let config = configuration(settings);
    env.push(("GIT_CONFIG_COUNT".into(), config.len().to_string().into()));
    for (n, (key, value)) in config.into_iter().enumerate() {
        env.push((format!("GIT_CONFIG_KEY_{n}").into(), key.into()));
        env.push((format!("GIT_CONFIG_VALUE_{n}").into(), value));
    }
    env
}

/// Given on the command's own level, which git trusts and a repository cannot override.
fn configuration(settings: &Settings) -> Vec<(String, OsString)> {
    let mut config: Vec<(String, OsString)> = vec![
        ("safe.directory".into(), "*".into()),
        ("core.hooksPath".into(), settings.hooks_dir().into()),
        ("gc.auto".into(), "0".into()),
        ("receive.autogc".into(), "false".into()),
        ("receive.fsckObjects".into(), "true".into()),
        ("receive.keepAlive".into(), "5".into()),
        (
            "receive.maxInputSize".into(),
            settings.max_pack_bytes.to_string().into(),
        ),
        ("receive.shallowUpdate".into(), "false".into()),
        ("transfer.hideRefs".into(), "refs/internal".into()),
        ("advice.detachedHead".into(), "false".into()),
    ];
    config.extend(
        HARMLESS_FAULTS.map(|fault| (format!("receive.fsck.{fault}"), OsString::from("ignore"))),
    );
    config
}

/// The usual path, led by git's own directory where that is known.
fn path(git: &Path) -> OsString {
    let usual = "/usr/local/bin:/usr/bin:/bin";
    match git.parent().filter(|_| git.is_absolute()) {
        Some(dir) => [dir.as_os_str(), OsStr::new(usual)].join(OsStr::new(":")),
        None => usual.into(),
    }
}

fn version(text: &str) -> Option<[u32; 3]> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ', '-']);
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    Some([next()?, next()?, next().unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_vendors_are_read() {
        for (text, expected) in [
            ("git version 2.39.5", Some([2, 39, 5])),
            ("git version 2.50", Some([2, 50, 0])),
            ("git version 2.39.5 (Apple Git-154)", Some([2, 39, 5])),
            ("git version 2.45.1.windows.1", Some([2, 45, 1])),
            ("git version 3.0.0-rc1", Some([3, 0, 0])),
            ("hg 6", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
        assert!(version("git version 2.39.0").unwrap() < OLDEST);
    }
}
