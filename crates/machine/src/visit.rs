//! A command inside a process that runs: let in by its shim, talked with, and waited for.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use noon_domain::{EngineError, Exit, Io, Visit};
use noon_sandbox::{Exec, ExecSpec, Shim, Stdio};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::environment::{self, Before, Facts, HOME};
use crate::keeper::chain;
use crate::label::Label;
use crate::machine::Machine;
use crate::one_off::LAST_WORDS;
use crate::post::Order;
use crate::{Error, live, stdio};

/// A command that was let in, and its end.
struct Inside {
    exec: Exec,
    ended: AsyncFd<OwnedFd>,
}

impl Machine {
    /// Runs a command inside a running process to its end. Dropped before that, the command is
    /// hung up.
    pub(crate) async fn visit_once(&self, visit: Visit, io: Io) -> Result<Exit, EngineError> {
        let what = format!("running a command in {}", visit.name);
        drop(self.house.still_starts(&what)?);
        let (stdio, talk) = stdio::wire(io).map_err(|e| e.into_engine(&what))?;
        let (Some(stdio), Some(talk)) = (stdio, talk) else {
            let why = "a command inside a process needs somebody to talk with".to_owned();
            return Err(EngineError::Refused { why });
        };
        let dir = self
            .house
            .settings
            .shims_dir
            .join(visit.process.to_string());
        let name = visit.name.clone();
        let entered = tokio::task::spawn_blocking(move || enter(&dir, &visit, stdio));
        let entered = entered
            .await
            .map_err(|_| Error::Closing.into_engine(&what))?;
        let exec = entered.map_err(|error| EngineError::Refused {
            why: format!("{name} takes no command: {}", chain(&error)),
        })?;
        let inside = Inside::new(exec).map_err(|e| e.into_engine(&what))?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let talking = talk.begin(move |order| drop(orders.send(order)));
        let exit = inside.until_it_ends(ordered).await;
        let _ = tokio::time::timeout(LAST_WORDS, talking.all_said()).await;
        Ok(exit)
    }
}

fn enter(dir: &Path, visit: &Visit, stdio: Stdio) -> Result<Exec, noon_sandbox::Error> {
    let label = Shim::connect(dir)?.status()?.label;
    let label = Label::from_bytes(&label).map_err(|e| noon_sandbox::Error::Spec(e.to_string()))?;
    let facts = Facts {
        app_name: &label.app_name,
        name: &label.name,
        port: label.port,
        release: label.release.map(|(_, version)| version),
        commit: visit.commit.as_deref(),
    };
    // Which profile scripts there are is seen inside.
    let before = Before {
        profile: true,
        network: false,
        links: false,
    };
    let spec = ExecSpec {
        argv: environment::arguments(&visit.command, before, environment::bash()),
        env: environment::environment(&visit.env, &facts),
        cwd: HOME.to_owned(),
    };
    Shim::exec(dir, &spec, stdio)
}

impl Inside {
    #[expect(
        deprecated,
        reason = "the replacement is unsafe for the sake of descriptors that can be closed under \
                  it; an owned one cannot"
    )]
    fn new(exec: Exec) -> Result<Self, Error> {
        let watched = || -> io::Result<_> {
            let fd = exec.wait_fd().try_clone_to_owned()?;
            AsyncFd::with_interest(fd, Interest::READABLE)
        };
        let ended = watched().map_err(Error::file("watch", PathBuf::from(HOME)))?;
        Ok(Self { exec, ended })
    }

    /// Hands on what the user says, until the command ends or the user is gone.
    async fn until_it_ends(self, mut orders: mpsc::UnboundedReceiver<Order>) -> Exit {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Signal(signal)) => {
                        if let Err(error) = self.exec.signal(signal) {
                            tracing::debug!(%error, "a signal did not arrive inside");
                        }
                    }
                    // Dropped, it is hung up, and ended where it does not heed that.
                    Some(Order::HangUp) => return Exit::Signal(1),
                    Some(_) => {}
                    None => break,
                },
                _ = self.ended.readable() => break,
            }
        }
        drop(self.ended);
        let exec = self.exec;
        let ended = tokio::task::spawn_blocking(move || exec.wait()).await;
        // The process itself ended, and took all that was inside along.
        ended
            .ok()
            .and_then(Result::ok)
            .map_or(Exit::Signal(9), live::exit)
    }
}
