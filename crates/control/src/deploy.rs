//! The great verb: a push becomes what serves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use noon_builder::Job;
use noon_domain::{App, Build, BuildFailure, Principal, Reason, Slug, SourceTree, Version};
use noon_store::NewBuild;
use tokio::sync::mpsc;

use crate::rollout::Draft;
use crate::turns::Turn;
use crate::{Control, Deploy, Error, Out, Permit};

/// One app's turn at pushing: held around a whole push, so that no two interleave.
#[derive(Debug)]
pub struct PushTurn {
    permit: Permit<Deploy>,
    _turn: Turn,
}

impl PushTurn {
    /// The app that is pushed to.
    pub const fn app(&self) -> &App {
        self.permit.app()
    }

    /// Who pushes.
    pub const fn by(&self) -> &Principal {
        self.permit.by()
    }
}

/// What a deploy led to.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The release that is current now.
    pub version: Version,
    /// Where the app answers.
    pub url: String,
    /// How long each stage took, in order.
    pub stages: Vec<(&'static str, Duration)>,
    /// Process types that the app declares and that have no process, for a hint.
    pub idle_types: Vec<String>,
}

impl Control {
    /// Waits for the app's turn at pushing.
    pub async fn begin_push(&self, permit: Permit<Deploy>) -> PushTurn {
        let turn = self.pushes.take(permit.app().id).await;
        PushTurn {
            permit,
            _turn: turn,
        }
    }

    /// Builds, releases and boots a commit. `out` gets the pusher's lines while it runs.
    ///
    /// # Errors
    /// [`crate::Kind::AppFailed`] for a failed build, release phase or boot; what served before
    /// serves on.
    pub async fn deploy(
        self: &Arc<Self>,
        turn: &PushTurn,
        source: SourceTree,
        out: Out,
    ) -> Result<Deployed, Error> {
        let started = Instant::now();
        let commit = source.commit.clone();
        let build = self.begin_build(turn, &source).await?;
        let slug = self.build_slug((turn, &build), source, &out).await?;
        let mut stages = vec![("build", started.elapsed())];

        let _ = out.send("-----> Releasing".to_owned());
        let releasing = Instant::now();
        let turn_at_releasing = self.releases.take(turn.app().id).await;
        let config = self.store.current_config(turn.app().id).await?;
        let draft = Draft {
            slug: Some(slug.id),
            config,
            reason: Reason::Deployed(commit.clone()),
        };
        let rollout = self
            .draft(turn_at_releasing, (turn.app(), turn.by()), draft)
            .await?;
        let version = rollout.release.version;
        self.store.link_build_release(build.id, version).await?;
        self.tell(turn.app(), turn.by(), &format!("Deploy {}", commit.short()));
        self.tell(turn.app(), turn.by(), &format!("Release {version} created"));
        stages.push(("release", releasing.elapsed()));

        let _ = out.send(format!("-----> Starting {version}"));
        stages.extend(self.roll_out(rollout, &out).await?);
        Ok(Deployed {
            version,
            url: self.web_url(turn.app()),
            stages,
            idle_types: self.idle_types(turn.app(), &slug).await?,
        })
    }

    async fn begin_build(&self, turn: &PushTurn, source: &SourceTree) -> Result<Build, Error> {
        let (app, by) = (turn.app(), turn.by());
        self.tell(app, by, "Build started");
        let new = NewBuild {
            app: app.id,
            by: by.user.id,
            commit: source.commit.clone(),
            stack: app.stack.clone(),
        };
        Ok(self.store.create_build(&new).await?)
    }

    /// Builds, and keeps the output and how it went.
    async fn build_slug(
        self: &Arc<Self>,
        (turn, build): (&PushTurn, &Build),
        source: SourceTree,
        out: &Out,
    ) -> Result<Slug, Error> {
        let app = turn.app();
        let job = Job {
            app: app.id,
            app_name: app.name.clone(),
            slot: app.slot,
            build: build.id,
            source,
            allow_unlocked: self.allows_unlocked(app).await?,
        };
        let (lines, kept) = mpsc::unbounded_channel();
        let pusher = out.clone();
        let tee = Box::new(move |line: &str| {
            let _ = pusher.send(line.to_owned());
            let _ = lines.send(line.to_owned());
        });
        let (made, kept) =
            tokio::join!(self.builder.build(job, tee), self.keep_output(build, kept));
        if let Err(error) = kept {
            tracing::error!(build = %build.id, %error, "output of a build not kept");
        }
        self.end_build((turn, build), made).await
    }

    /// Writes what a build prints into the store, a few lines at a time, until it ends.
    async fn keep_output(
        &self,
        build: &Build,
        mut lines: mpsc::UnboundedReceiver<String>,
    ) -> Result<(), Error> {
        let mut batch = Vec::new();
        while lines.recv_many(&mut batch, 500).await > 0 {
            let mut chunk = batch.join("\n");
            chunk.push('\n');
            self.store.append_build_output(build.id, &chunk).await?;
            batch.clear();
        }
        Ok(())
    }

    async fn end_build(
        self: &Arc<Self>,
        (turn, build): (&PushTurn, &Build),
        made: Result<Slug, BuildFailure>,
    ) -> Result<Slug, Error> {
        match made {
            Ok(slug) => {
                self.store.put_slug(turn.app().id, &slug).await?;
                self.store.finish_build(build.id, Some(slug.id), "").await?;
                self.relay(turn.app().id, "api", "Build succeeded");
                Ok(slug)
            }
            Err(failure) => {
                self.end_failed_build((turn, build), &failure).await;
                Err(failure.into())
            }
        }
    }

    /// Notes that a build failed. Where that cannot be noted, for the disk is full, the pusher
    /// still hears of the build and not of the note; the next start notes it.
    async fn end_failed_build(
        self: &Arc<Self>,
        (turn, build): (&PushTurn, &Build),
        failure: &BuildFailure,
    ) {
        let last = format!(" !     {failure}\n");
        if let Err(error) = self.store.finish_build(build.id, None, &last).await {
            tracing::error!(build = %build.id, %error, "end of a build not noted");
        }
        self.relay(turn.app().id, "api", &format!("Build failed: {failure}"));
        let control = self.clone();
        tokio::spawn(async move {
            // What the build wrote may be all that fills the disk.
            if let Err(error) = control.builder.sweep_trash().await {
                tracing::error!(%error, "trash not swept");
            }
        });
    }

    /// Whether the app's config allows builds without a lock file. Recorded with every release,
    /// for it is config.
    async fn allows_unlocked(&self, app: &App) -> Result<bool, Error> {
        let config = self.store.current_config(app.id).await?;
        let found = config
            .iter()
            .find(|(key, _)| key.as_str() == "BUILD_ALLOW_UNLOCKED");
        Ok(found.is_some_and(|(_, value)| value.expose() == "1"))
    }

    async fn idle_types(&self, app: &App, slug: &Slug) -> Result<Vec<String>, Error> {
        let formation = self.store.formation(app.id).await?;
        let idle = slug
            .process_types
            .scalable()
            .filter(|k| formation.quantity(k).get() == 0);
        Ok(idle.map(ToString::to_string).collect())
    }
}
