//! From a draft to a current release: ledger, release phase, boot. The same for every reason.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use noon_domain::{
    App, AppId, ConfigVars, Exit, Files, Formation, Io, Limits, Network, Principal, ProcessId,
    ProcessName, ProcessSpec, ProcessType, Reason, Release, Runnable, Size, Slug, SlugId, Stream,
};
use noon_store::NewRelease;

use crate::turns::Turn;
use crate::{Control, Error, Kind, Out, intent};

/// The longest that a release phase may take.
const PHASE_LIMIT: Duration = Duration::from_secs(3600);
/// The most of a release phase's output that is kept, in bytes.
const PHASE_OUTPUT: usize = 1 << 20;

/// What a release is to hold.
pub struct Draft {
    pub slug: Option<SlugId>,
    pub config: ConfigVars,
    pub reason: Reason,
}

/// A release that stands in the ledger and has yet to prove itself.
pub struct Rollout {
    pub release: Release,
    app: App,
    config: ConfigVars,
    _turn: Turn,
}

/// How long each stage took.
pub type Stages = Vec<(&'static str, Duration)>;

impl Control {
    /// Writes a release into the ledger, pending, under the app's turn.
    pub(crate) async fn draft(
        &self,
        turn: Turn,
        (app, by): (&App, &Principal),
        draft: Draft,
    ) -> Result<Rollout, Error> {
        let Draft {
            slug,
            config,
            reason,
        } = draft;
        let new = NewRelease {
            app: app.id,
            slug,
            config: config.clone(),
            reason,
            by: by.user.id,
        };
        let release = self.store.append_release(&new).await?;
        Ok(Rollout {
            release,
            app: app.clone(),
            config,
            _turn: turn,
        })
    }

    /// Rolls out with nobody waiting; how it went is in the ledger and the log.
    pub(crate) fn roll_out_in_background(self: &Arc<Self>, rollout: Rollout) {
        let control = self.clone();
        tokio::spawn(async move {
            let (out, _) = tokio::sync::mpsc::unbounded_channel();
            // The error is in the ledger by now, and in the app's log.
            let _ = control.roll_out(rollout, &out).await;
        });
    }

    /// Makes a release prove itself: its phase, then its boot. It becomes current, or what was
    /// current goes on.
    ///
    /// # Errors
    /// Why it did not become current.
    pub(crate) async fn roll_out(&self, rollout: Rollout, out: &Out) -> Result<Stages, Error> {
        let (app, version) = (&rollout.app, rollout.release.version);
        match self.prove(&rollout, out).await {
            Ok((stages, formation)) => {
                self.store.set_formation(app.id, &formation).await?;
                self.store.succeed_release(app.id, version).await?;
                self.relay(app.id, "api", &format!("Release {version} is current"));
                self.refresh(app).await?;
                Ok(stages)
            }
            Err(error) => {
                self.withdraw(&rollout, &error).await;
                Err(error)
            }
        }
    }

    async fn prove(&self, rollout: &Rollout, out: &Out) -> Result<(Stages, Formation), Error> {
        let formation = self.store.formation(rollout.app.id).await?;
        let Some(runnable) = self.runnable(&rollout.release, &rollout.config).await? else {
            return Ok((Stages::new(), formation));
        };
        let mut stages = Stages::new();
        let started = Instant::now();
        if self.run_phase(rollout, &runnable, out).await? {
            stages.push(("release phase", started.elapsed()));
        }
        let started = Instant::now();
        let formation = formation.carried_to(&runnable.slug.process_types);
        let restarts = self.store.not_before(rollout.app.id).await?;
        let intent = intent(
            (&rollout.app, self.reach(&rollout.app).await?),
            Some(Arc::new(runnable)),
            &formation,
            &restarts,
        );
        self.engine.converge(&intent).await?;
        stages.push(("boot", started.elapsed()));
        Ok((stages, formation))
    }

    /// Marks a release as failed, says why, and lets what was current go on.
    async fn withdraw(&self, rollout: &Rollout, error: &Error) {
        let (app, version) = (&rollout.app, rollout.release.version);
        tracing::warn!(app = %app.name, %version, %error, "release failed");
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((app.id, version.get()), error.to_string());
        self.relay(app.id, "api", &format!("Release {version} failed: {error}"));
        if let Err(error) = self.store.fail_release(app.id, version).await {
            tracing::error!(app = %app.name, %version, %error, "failure not recorded");
        }
        let _ = self.looks.send(app.id);
    }

    /// A release as an engine needs it; `None` without code.
    pub(crate) async fn runnable(
        &self,
        release: &Release,
        config: &ConfigVars,
    ) -> Result<Option<Runnable>, Error> {
        let Some(slug) = release.slug else {
            return Ok(None);
        };
        let env = config
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect();
        Ok(Some(Runnable {
            id: release.id,
            version: release.version,
            created_at: release.created_at,
            slug: self.store.slug(slug).await?,
            env,
        }))
    }

    /// Runs the release phase, if the slug has one. Says whether there was one.
    async fn run_phase(
        &self,
        rollout: &Rollout,
        runnable: &Runnable,
        out: &Out,
    ) -> Result<bool, Error> {
        let Some(command) = runnable.slug.process_types.command(&ProcessType::release()) else {
            return Ok(false);
        };
        let _ = out.send("-----> Running release phase".to_owned());
        let name = ProcessName {
            kind: ProcessType::release(),
            ordinal: runnable.version.get(),
        };
        self.store
            .put_phase_output(rollout.release.id, "", None)
            .await?;
        let formation = self.store.formation(rollout.app.id).await?;
        let size = formation.settings(&ProcessType::release()).size;
        let mut spec = oneoff_spec((&rollout.app, runnable), name.clone(), (command, size));
        spec.reach = self.reach(&rollout.app).await?;
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let exit = self.engine.run(spec, Io::Capture(line_by_line(sender)));
        let mut kept = String::new();
        let keep = async {
            while let Some(line) = lines.recv().await {
                self.relay(rollout.app.id, &name.to_string(), &line);
                keep_line(&mut kept, &line);
                let _ = out.send(format!("       {line}"));
            }
        };
        let (exit, ()) = tokio::join!(exit, keep);
        let exit = exit?;
        self.store
            .put_phase_output(rollout.release.id, &kept, Some(exit.code()))
            .await?;
        if exit.is_success() {
            Ok(true)
        } else {
            Err(phase_failed(exit, command))
        }
    }
}

/// A process that ends, in a release's own environment.
pub fn oneoff_spec(
    (app, runnable): (&App, &Runnable),
    name: ProcessName,
    (command, size): (&str, Size),
) -> ProcessSpec {
    ProcessSpec {
        id: ProcessId::new(),
        app: app.id,
        app_name: app.name.clone(),
        slot: app.slot,
        name,
        release: Some(runnable.version),
        files: Files {
            layers: layers(&runnable.slug),
            upper: None,
            mounts: Vec::new(),
        },
        command: command.to_owned(),
        env: runnable.env.clone(),
        reach: Network::None.into(),
        size: Some(size),
        limits: Limits {
            time: Some(PHASE_LIMIT),
            ..size.limits()
        },
    }
}

fn layers(slug: &Slug) -> Vec<noon_domain::LayerId> {
    slug.layers.iter().map(|layer| layer.id).collect()
}

/// Cuts output into lines; the last is flushed when the closure is dropped.
fn line_by_line(lines: Out) -> noon_domain::OutputFn {
    let mut cutter = Cutter {
        lines,
        rest: Vec::new(),
    };
    Box::new(move |_: Stream, bytes: &[u8]| cutter.take(bytes))
}

struct Cutter {
    lines: Out,
    rest: Vec<u8>,
}

impl Cutter {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.rest.extend(piece);
            if piece.ends_with(b"\n") || self.rest.len() > 64 * 1024 {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let line = String::from_utf8_lossy(&self.rest);
        let _ = self
            .lines
            .send(line.trim_end_matches(['\n', '\r']).to_owned());
        self.rest.clear();
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        if !self.rest.is_empty() {
            self.flush();
        }
    }
}

fn keep_line(kept: &mut String, line: &str) {
    if kept.len() + line.len() < PHASE_OUTPUT {
        kept.push_str(line);
        kept.push('\n');
    }
}

fn phase_failed(exit: Exit, command: &str) -> Error {
    let how = match exit {
        Exit::Code(code) => format!("exited with status {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::TimedOut => "took longer than an hour".to_owned(),
    };
    let message = format!("the release phase `{command}` {how}: the app runs on as before");
    Error::new(Kind::AppFailed, message)
}

impl Control {
    /// Converges an app to what the store says, under its turn.
    pub(crate) async fn converge(&self, app: AppId) -> Result<(), Error> {
        let Some(app) = self.app_if_any(app).await? else {
            return Ok(());
        };
        let Some(release) = self.store.current_release(app.id).await? else {
            return Ok(());
        };
        let config = self.store.current_config(app.id).await?;
        let runnable = self.runnable(&release, &config).await?.map(Arc::new);
        let formation = self.store.formation(app.id).await?;
        let restarts = self.store.not_before(app.id).await?;
        let reach = self.reach(&app).await?;
        self.engine
            .converge(&intent((&app, reach), runnable, &formation, &restarts))
            .await?;
        Ok(())
    }
}
