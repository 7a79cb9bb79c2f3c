//! A command inside a process that runs (factor XII): for looking around where it happens.

use std::collections::BTreeMap;

use noon_domain::{
    App, Process, ProcessFilter, ProcessName, ProcessState, Secret, Visit, WindowSize,
};

use crate::oneoff::{Attachment, Claim, Claimed};
use crate::{Control, Error, Kind, Operate, Permit};

/// What runs where no command is named: the best shell that there is.
const SHELL: &str = "exec \"$(command -v bash || command -v sh)\"";

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct VisitOrder {
    /// The process.
    pub name: ProcessName,
    /// The command, for a shell; a shell itself where absent.
    pub command: Option<String>,
    /// More environment. It cannot replace config vars.
    pub env: BTreeMap<String, String>,
    /// A terminal of this size; `None` is pipes.
    pub terminal: Option<WindowSize>,
}

impl Control {
    /// Prepares a command inside a running process; it starts when its user attaches, within a
    /// minute. The app's log says who, and never what.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without the process, [`Kind::Conflict`] for one that does not run.
    pub async fn visit(
        &self,
        permit: &Permit<Operate>,
        order: VisitOrder,
    ) -> Result<Attachment, Error> {
        let app = permit.app();
        let process = self.visited(app, &order.name).await?;
        let (mut env, commit) = self.environment_of(app, &process).await?;
        for (key, value) in order.env {
            env.entry(key).or_insert(Secret::new(value));
        }
        let command = order.command.filter(|command| !command.trim().is_empty());
        let visit = Visit {
            process: process.id,
            name: process.name.clone(),
            command: command.unwrap_or_else(|| SHELL.to_owned()),
            env,
            commit,
        };
        self.tell(
            app,
            permit.by(),
            &format!("Command inside {}", process.name),
        );
        let (what, terminal) = (Claimed::Visit(visit), order.terminal);
        Ok(Attachment {
            secret: Secret::new(self.claims.put(Claim { what, terminal })?),
            process,
        })
    }

    /// The process of this name, if it runs. Of several, one that serves.
    async fn visited(&self, app: &App, name: &ProcessName) -> Result<Process, Error> {
        let meant = ProcessFilter::Name(name.clone());
        let mut found = self.engine.observe(app.id).await?;
        found.retain(|process| meant.matches(&process.name));
        let rank = |process: &Process| match process.state {
            ProcessState::Up => 0,
            ProcessState::Starting => 1,
            ProcessState::Draining | ProcessState::Stopping => 2,
            ProcessState::Crashed => 3,
        };
        let best = found.into_iter().min_by_key(rank);
        let best = best.ok_or_else(|| Error::not_found("process", name))?;
        if best.state == ProcessState::Crashed {
            let why = format!("{name} is crashed: there is nothing running to go into");
            return Err(Error::new(Kind::Conflict, why));
        }
        Ok(best)
    }

    /// The config vars and the commit of the release that a process runs.
    async fn environment_of(
        &self,
        app: &App,
        process: &Process,
    ) -> Result<(BTreeMap<String, Secret<String>>, Option<String>), Error> {
        let Some(version) = process.release else {
            return Ok(Default::default());
        };
        let release = self.store.release(app.id, version).await?;
        let config = self.store.config(app.id, version).await?;
        let runnable = self.runnable(&release, &config).await?;
        Ok(runnable
            .map(|runnable| (runnable.env, Some(runnable.slug.commit.to_string())))
            .unwrap_or_default())
    }
}
