//! One-offs (factor XII): a process in the release's own environment, attached or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use noon_domain::{
    App, Exit, Io, Process, ProcessSpec, ProcessState, Secret, Size, Timestamp, Visit, WindowSize,
};

use crate::names::Taken;
use crate::rollout::oneoff_spec;
use crate::{Control, Error, Kind, Operate, Permit};

/// How long a detached one-off lives unless told otherwise.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 3600);
/// The longest that a one-off may be told to live.
const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What to run once.
#[derive(Clone, Debug)]
pub struct RunOrder {
    /// The command, for a shell.
    pub command: String,
    /// More environment. It cannot replace config vars.
    pub env: BTreeMap<String, String>,
    /// A terminal of this size; `None` is pipes.
    pub terminal: Option<WindowSize>,
    /// How large it may grow; the default where absent.
    pub size: Option<Size>,
    /// How long it may live. Where absent, a detached one lives for 24 hours, and an attached one
    /// for as long as its user stays.
    pub time_to_live: Option<Duration>,
}

/// A one-off, or a command inside a process, that waits for its user.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// What the user shows to attach, once.
    pub secret: Secret<String>,
    /// The process, or the process to be.
    pub process: Process,
}

/// A one-off, or a command inside a process, whose user has come: ready to run.
pub struct Claim {
    pub(crate) what: Claimed,
    /// Its terminal, if it is to have one.
    pub terminal: Option<WindowSize>,
}

/// What is run for a user who has come.
pub(crate) enum Claimed {
    OneOff(Box<Numbered>),
    Visit(Visit),
}

/// A one-off with a name that is its own for as long as it lives.
pub(crate) struct Numbered {
    spec: ProcessSpec,
    name: Taken,
}

impl Control {
    /// Starts a one-off that nobody watches; its output is in the log.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where the app has no code yet or the time to live cannot be;
    /// [`Kind::Conflict`] where the app has as many one-offs as it may.
    pub async fn run_detached(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        mut order: RunOrder,
    ) -> Result<Process, Error> {
        let app = permit.app().clone();
        order.time_to_live.get_or_insert(TIME_TO_LIVE);
        let order = self.oneoff(permit, order).await?;
        let process = to_be(&order.spec);
        let control = self.clone();
        tokio::spawn(async move {
            let Numbered { spec, name } = order;
            if let Err(error) = control.engine.run(spec, Io::Log).await {
                control.say(app.id, &name.name().to_string(), &format!("Error: {error}"));
            }
        });
        Ok(process)
    }

    /// Prepares a one-off that starts when its user attaches, within a minute.
    ///
    /// # Errors
    /// As [`Control::run_detached`].
    pub async fn run_attached(
        &self,
        permit: &Permit<Operate>,
        order: RunOrder,
    ) -> Result<Attachment, Error> {
        let terminal = order.terminal;
        let order = self.oneoff(permit, order).await?;
        let process = to_be(&order.spec);
        let what = Claimed::OneOff(order.into());
        let secret = self.claims.put(Claim { what, terminal })?;
        Ok(Attachment {
            secret: Secret::new(secret),
            process,
        })
    }

    /// Takes up what waits for whoever shows this secret.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a secret that is wrong, used or too old.
    pub fn claim(&self, secret: &str) -> Result<Claim, Error> {
        self.claims.take(secret).ok_or_else(|| {
            let why = "nothing waits to be attached to there: run the command again";
            Error::new(Kind::NotFound("session"), why)
        })
    }

    /// Runs what was claimed to its end.
    ///
    /// # Errors
    /// [`Kind::Failed`] where it could not be started, [`Kind::Conflict`] where the process that
    /// is to be visited lets nobody in.
    pub async fn run_claimed(&self, claim: Claim, io: Io) -> Result<Exit, Error> {
        match claim.what {
            Claimed::OneOff(order) => {
                let Numbered { spec, name: _held } = *order;
                Ok(self.engine.run(spec, io).await?)
            }
            Claimed::Visit(visit) => Ok(self.engine.visit(visit, io).await?),
        }
    }

    async fn oneoff(&self, permit: &Permit<Operate>, order: RunOrder) -> Result<Numbered, Error> {
        let app = permit.app();
        check(&order)?;
        let current = self.store.current_release(app.id).await?;
        let config = self.store.current_config(app.id).await?;
        let runnable = match &current {
            Some(release) => self.runnable(release, &config).await?,
            None => None,
        };
        let Some(runnable) = runnable else {
            let why = format!("{} has no code yet: push it first", app.name);
            return Err(Error::new(Kind::Invalid, why));
        };
        let name = self.free_name(app).await?;
        let sized = (order.command.as_str(), order.size.unwrap_or_default());
        let mut spec = oneoff_spec((app, &runnable), name.name().clone(), sized);
        spec.reach = self.reach(app).await?;
        for (key, value) in order.env {
            spec.env.entry(key).or_insert(Secret::new(value));
        }
        spec.limits.time = order.time_to_live;
        let deed = format!("Run `{}` as {}", spec.command, spec.name);
        self.tell(app, permit.by(), &deed);
        Ok(Numbered { spec, name })
    }

    /// A name that no process of the app has.
    async fn free_name(&self, app: &App) -> Result<Taken, Error> {
        self.claims.forget_old();
        let seen = self.engine.observe(app.id).await?;
        let seen = seen.into_iter().map(|process| process.name);
        self.names.take(app.id, seen, self.settings.one_offs)
    }
}

fn check(order: &RunOrder) -> Result<(), Error> {
    let invalid = |why: &str| Err(Error::new(Kind::Invalid, why));
    if order.command.trim().is_empty() {
        return invalid("there is no command to run: name one");
    }
    match order.time_to_live {
        Some(life) if life.is_zero() || life > LONGEST_LIFE => {
            invalid("a time to live is from 1 second to 30 days")
        }
        _ => Ok(()),
    }
}

fn to_be(spec: &ProcessSpec) -> Process {
    let now = Timestamp::now();
    Process {
        id: spec.id,
        app: spec.app,
        name: spec.name.clone(),
        release: spec.release,
        command: spec.command.clone(),
        size: spec.size,
        state: ProcessState::Starting,
        started_at: now,
        updated_at: now,
        boot: None,
        expires_at: spec.limits.time.map(|life| now.after(life)),
        endpoint: None,
        inside: None,
    }
}
