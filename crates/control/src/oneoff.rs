//! One-offs (factor XII): a process in the release's own environment, attached or not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use noon_domain::{
    App, Exit, Io, Process, ProcessName, ProcessSpec, ProcessState, ProcessType, Secret, Size,
    Timestamp, WindowSize,
};

use crate::rollout::oneoff_spec;
use crate::{Control, Error, Kind, Operate, Permit};

/// How long an attachment waits to be claimed.
const CLAIM_WITHIN: Duration = Duration::from_secs(60);
/// The longest that a one-off lives unless told otherwise.
const TIME_TO_LIVE: Duration = Duration::from_secs(24 * 3600);

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
    /// How long it may live; 24 hours where absent.
    pub time_to_live: Option<Duration>,
}

/// A one-off that waits for its user.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// What the user shows to attach, once.
    pub secret: Secret<String>,
    /// The process to be.
    pub process: Process,
}

/// A one-off whose user has come: ready to run.
pub struct Claim {
    spec: ProcessSpec,
    /// Its terminal, if it is to have one.
    pub terminal: Option<WindowSize>,
}

/// One-offs that wait for their users.
#[derive(Default)]
pub struct Attachments(Mutex<HashMap<String, (Instant, Claim)>>);

impl Control {
    /// Starts a one-off that nobody watches; its output is in the log.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where the app has no code yet.
    pub async fn run_detached(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        order: RunOrder,
    ) -> Result<Process, Error> {
        let app = permit.app().clone();
        let spec = self.oneoff(&app, order).await?;
        let process = to_be(&spec);
        self.tell(
            &app,
            permit.by(),
            &format!("Run `{}` as {}", spec.command, spec.name),
        );
        let control = self.clone();
        tokio::spawn(async move {
            let name = spec.name.to_string();
            if let Err(error) = control.engine.run(spec, Io::Log).await {
                control.say(app.id, &name, &format!("Error: {error}"));
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
        let spec = self.oneoff(permit.app(), order).await?;
        self.tell(
            permit.app(),
            permit.by(),
            &format!("Run `{}` as {}", spec.command, spec.name),
        );
        let process = to_be(&spec);
        let secret = random_hex()?;
        let claim = Claim { spec, terminal };
        let mut waiting = self
            .attachments
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (since, _)| since.elapsed() < CLAIM_WITHIN);
        waiting.insert(secret.clone(), (Instant::now(), claim));
        Ok(Attachment {
            secret: Secret::new(secret),
            process,
        })
    }

    /// Takes up a one-off that waits for whoever shows this secret.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a secret that is wrong, used or too old.
    pub fn claim(&self, secret: &str) -> Result<Claim, Error> {
        let mut waiting = self
            .attachments
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match waiting.remove(secret) {
            Some((since, claim)) if since.elapsed() < CLAIM_WITHIN => Ok(claim),
            _ => {
                let why = "nothing waits to be attached to there: run the command again";
                Err(Error::new(Kind::NotFound("session"), why))
            }
        }
    }

    /// Runs a claimed one-off to its end.
    ///
    /// # Errors
    /// [`Kind::Failed`] where it could not be started.
    pub async fn run_claimed(&self, claim: Claim, io: Io) -> Result<Exit, Error> {
        Ok(self.engine.run(claim.spec, io).await?)
    }

    async fn oneoff(&self, app: &App, order: RunOrder) -> Result<ProcessSpec, Error> {
        let RunOrder {
            command,
            env,
            terminal: _,
            time_to_live,
            size,
        } = order;
        if command.trim().is_empty() {
            return Err(Error::new(
                Kind::Invalid,
                "there is no command to run: name one",
            ));
        }
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
        let sized = (command.as_str(), size.unwrap_or_default());
        let mut spec = oneoff_spec((app, &runnable), name, sized);
        spec.reach = self.reach(app).await?;
        for (key, value) in env {
            spec.env.entry(key).or_insert(Secret::new(value));
        }
        spec.limits.time = Some(time_to_live.unwrap_or(TIME_TO_LIVE).min(TIME_TO_LIVE));
        Ok(spec)
    }

    /// A name that no process of the app has.
    async fn free_name(&self, app: &App) -> Result<ProcessName, Error> {
        let taken = self.engine.observe(app.id).await?;
        loop {
            let mut noise = [0; 2];
            getrandom::fill(&mut noise).map_err(no_random)?;
            let ordinal = 1000 + u32::from(u16::from_be_bytes(noise)) % 9000;
            let name = ProcessName {
                kind: ProcessType::run(),
                ordinal,
            };
            if taken.iter().all(|process| process.name != name) {
                return Ok(name);
            }
        }
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
        endpoint: None,
    }
}

fn random_hex() -> Result<String, Error> {
    let mut noise = [0; 24];
    getrandom::fill(&mut noise).map_err(no_random)?;
    Ok(noise.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn no_random(error: getrandom::Error) -> Error {
    Error::new(Kind::Failed, "the machine gave no random numbers").caused_by(error)
}
