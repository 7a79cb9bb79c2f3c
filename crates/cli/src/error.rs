//! What can go wrong in a command: one sentence, the way out, and the exit code.

use std::io;

use noon_wire::ApiError;

use crate::dotenv::DotenvError;
use crate::exit::{self, Exit};
use crate::server::ServerError;

/// How the API says that the user's own app failed.
const APP_FAILED: &str = "app_failed";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No app was named and none could be found out.
    #[error("no app is named")]
    NoApp,
    /// The git remote belongs to another server.
    #[error("the git remote noon leads to {remote}, and the server is {server}")]
    ForeignRemote {
        /// The remote's URL.
        remote: String,
        /// The server in use.
        server: String,
    },
    /// There is no token for the server.
    #[error("you are not logged in to {0}")]
    NotLoggedIn(String),
    /// The server does not take the token.
    #[error("{0} does not take your token")]
    BadToken(String),
    /// The server does not answer.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// The server in use.
        server: String,
        /// What the network said.
        why: String,
    },
    /// The server said no.
    #[error("{}", .body.message.trim_end_matches('.'))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said.
        body: ApiError,
    },
    /// The server's answer makes no sense.
    #[error("the answer to {request} is not understood: {why}")]
    BadAnswer {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        why: String,
    },
    /// The command line asks for something that cannot be.
    #[error("{sentence}")]
    Usage {
        /// What is wrong.
        sentence: String,
        /// What to type.
        hint: String,
    },
    /// A line of an .env file is not understood.
    #[error("{name}: {source}")]
    Dotenv {
        /// The file.
        name: String,
        /// Line and reason.
        source: DotenvError,
    },
    /// A thing that the app does not have.
    #[error("{0}")]
    Missing(String),
    /// A release did not come up.
    #[error("release v{version} failed{}: the release before it goes on serving", because(.why))]
    ReleaseFailed {
        /// Its number.
        version: u32,
        /// Why.
        why: String,
    },
    /// Processes crashed.
    #[error("{} crashed", .0.join(", "))]
    Crashed(Vec<String>),
    /// The ledger does not hold together.
    #[error("the ledger is broken: {0}")]
    LedgerBroken(String),
    /// What was waited for did not come in time.
    #[error("{what} after {seconds} s")]
    TimedOut {
        /// What is still under way.
        what: String,
        /// For how long it was waited.
        seconds: u64,
    },
    /// The connection to a process failed.
    #[error("the connection to the process failed: {0}")]
    Attach(String),
    /// The machine lacks something that noon needs.
    #[error("{0} of the findings above must be mended")]
    Unfit(usize),
    /// A program that was started failed.
    #[error("{command} failed: {why}")]
    Program {
        /// What was run.
        command: String,
        /// What it said.
        why: String,
    },
    /// The platform itself could not go on.
    #[error(transparent)]
    House(ServerError),
    /// The demo could not go on.
    #[error("the demo stopped while it {step}: {why}")]
    Demo {
        /// What was being shown.
        step: &'static str,
        /// Why it failed.
        why: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Whoever read the output has gone away.
    #[error("nobody reads the output any more")]
    ReaderGone,
    /// A signal asked for the end.
    #[error("signal {0}")]
    Interrupted(u8),
}

/// What every command returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps a failure of the operating system with what was tried.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A command line that asks for something that cannot be.
    pub fn usage(sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            sentence: sentence.into(),
            hint: hint.into(),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoApp | Self::ForeignRemote { .. } | Self::Usage { .. } | Self::Dotenv { .. } => {
                exit::USAGE
            }
            Self::NotLoggedIn(_) | Self::BadToken(_) => exit::NOT_LOGGED_IN,
            Self::Unreachable { .. }
            | Self::Refused {
                status: 502..=504, ..
            } => exit::UNAVAILABLE,
            Self::Refused { body, .. } if body.id == APP_FAILED => exit::APP_FAILED,
            Self::Refused { status: 404, .. } | Self::Missing(_) => exit::NOT_FOUND,
            Self::ReleaseFailed { .. } | Self::Crashed(_) => exit::APP_FAILED,
            Self::TimedOut { .. } => exit::TIMED_OUT,
            Self::ReaderGone => exit::OK,
            _ => exit::FAILURE,
        }
    }

    /// What to type, where there is a way out.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoApp => "add --app NAME, set NOON_APP, or go to a git repository that has a \
                            remote named noon (`noon create` adds it)"
                .to_owned(),
            Self::ForeignRemote { .. } => {
                "add --app NAME, or name the other server with --server URL".to_owned()
            }
            Self::NotLoggedIn(server) | Self::BadToken(server) => {
                format!("noon login --server {server}")
            }
            Self::Unreachable { .. } => {
                "start it with `noon server`, or name another with --server URL".to_owned()
            }
            Self::Refused { body, .. } if body.resource.as_deref() == Some("app") => {
                "noon apps lists the apps that there are".to_owned()
            }
            Self::Refused { body, .. } if body.id == APP_FAILED => {
                "noon logs shows what it printed; what served before goes on serving".to_owned()
            }
            Self::Usage { hint, .. } => hint.clone(),
            Self::Dotenv { .. } => "nothing was changed: mend the line and import again".to_owned(),
            Self::ReleaseFailed { version, .. } => {
                format!("noon releases output v{version}, or noon logs")
            }
            Self::Crashed(_) => "noon logs shows what they printed".to_owned(),
            Self::TimedOut { .. } => "noon ps shows how it stands".to_owned(),
            _ => return None,
        })
    }
}

fn because(why: &str) -> String {
    let why = why.trim().trim_end_matches('.');
    if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    }
}

/// Shows an error as a person reads it: the sentence, then the way out.
pub fn show(error: &Error) -> String {
    let mut text = format!("noon: {error}\n");
    if let Some(hint) = error.hint() {
        text += &format!("hint: {hint}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str, resource: Option<&str>) -> Error {
        let body = ApiError {
            id: "some_id".to_owned(),
            message: message.to_owned(),
            resource: resource.map(str::to_owned),
        };
        Error::Refused { status, body }
    }

    #[test]
    fn an_error_is_one_sentence_and_a_hint() {
        let failed = Error::ReleaseFailed {
            version: 7,
            why: "web.1 exited with 1.".to_owned(),
        };
        let mut app_failed = refused(422, "worker.1 of v6 did not boot", None);
        if let Error::Refused { body, .. } = &mut app_failed {
            body.id = "app_failed".to_owned();
        }
        let gone = Error::Unreachable {
            server: "http://h".to_owned(),
            why: "refused".to_owned(),
        };
        for (error, text, exit) in [
            (
                failed,
                "noon: release v7 failed (web.1 exited with 1): the release before it goes on \
                 serving\nhint: noon releases output v7, or noon logs\n",
                exit::APP_FAILED,
            ),
            (
                Error::NotLoggedIn("http://h:1".to_owned()),
                "noon: you are not logged in to http://h:1\nhint: noon login --server http://h:1\n",
                exit::NOT_LOGGED_IN,
            ),
            (
                refused(404, "There is no app x.", Some("app")),
                "noon: There is no app x\nhint: noon apps lists the apps that there are\n",
                exit::NOT_FOUND,
            ),
            (
                refused(422, "Name is taken.", None),
                "noon: Name is taken\n",
                exit::FAILURE,
            ),
            (
                app_failed,
                "noon: worker.1 of v6 did not boot\nhint: noon logs shows what it printed; what \
                 served before goes on serving\n",
                exit::APP_FAILED,
            ),
            (
                gone,
                "noon: http://h cannot be reached: refused\nhint: start it with `noon server`, or \
                 name another with --server URL\n",
                exit::UNAVAILABLE,
            ),
        ] {
            assert_eq!(show(&error), text);
            assert_eq!(error.exit(), exit);
        }
    }
}
