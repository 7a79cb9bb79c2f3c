//! The git program, for remotes and the credential helper.

use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::server_url::ServerUrl;

/// The name of the remote that leads to noon.
pub const REMOTE: &str = "noon";

/// The app that a remote's URL names, where it leads to `server`.
///
/// # Errors
/// [`Error::ForeignRemote`] where it leads elsewhere.
pub fn app_of_remote(url: &str, server: &ServerUrl) -> Result<String> {
    let foreign = || Error::ForeignRemote {
        remote: without_password(url),
        server: server.to_string(),
    };
    let (place, path) = ServerUrl::split(url).ok_or_else(foreign)?;
    let app = path
        .trim_end_matches('/')
        .strip_prefix('/')
        .unwrap_or_default();
    let app = app.strip_suffix(".git").unwrap_or(app);
    if !place.is_same_place(server) || app.is_empty() || app.contains('/') {
        return Err(foreign());
    }
    Ok(app.to_owned())
}

fn without_password(url: &str) -> String {
    match url
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?)))
    {
        Some((scheme, (user, rest))) if !user.contains('/') => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}

/// The URL of the remote named noon, where there is a repository with one.
pub fn remote_url() -> Option<String> {
    output(&["config", "--get", &format!("remote.{REMOTE}.url")]).filter(|url| !url.is_empty())
}

/// Whether the current directory is in a git repository.
pub fn is_in_repository() -> bool {
    output(&["rev-parse", "--git-dir"]).is_some()
}

/// Runs git and waits for it.
///
/// # Errors
/// [`Error::Program`] with what git said.
pub fn run(args: &[&str]) -> Result<()> {
    let failed = |why: String| Error::Program {
        command: format!("git {}", args[0]),
        why,
    };
    let output = Command::new("git")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

fn output(args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_names_an_app_of_its_own_server_only() {
        let server: ServerUrl = "http://127.0.0.1:8090".parse().unwrap();
        for (url, app) in [
            ("http://127.0.0.1:8090/my-app.git", Some("my-app")),
            ("http://127.0.0.1:8090/my-app.git/", Some("my-app")),
            ("http://127.0.0.1:8090/my-app", Some("my-app")),
            ("http://localhost:8090/my-app.git", Some("my-app")),
            (
                "http://noon:secret@127.0.0.1:8090/my-app.git",
                Some("my-app"),
            ),
            ("http://127.0.0.1:8091/my-app.git", None),
            ("http://example.org:8090/my-app.git", None),
            ("http://127.0.0.1:8090/a/b.git", None),
            ("http://127.0.0.1:8090/", None),
            ("git@github.com:me/my-app.git", None),
            ("/srv/my-app.git", None),
        ] {
            assert_eq!(app_of_remote(url, &server).ok().as_deref(), app, "{url}");
        }
    }

    #[test]
    fn a_foreign_remote_is_named_without_its_password() {
        let server: ServerUrl = "http://127.0.0.1:8090".parse().unwrap();
        let url = "https://me:hunter2@github.com/x.git";
        let error = app_of_remote(url, &server).unwrap_err().to_string();
        assert!(
            error.contains("https://github.com/x.git") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
