//! The reconcile loop: told nothing but "look again".

use std::sync::Arc;
use std::time::Duration;

use noon_domain::AppId;
use tokio::time::{MissedTickBehavior, interval};

use crate::{Control, Error, Looks};

/// How often every app is looked at, whether or not anything seems to have happened.
const EVERY: Duration = Duration::from_secs(30);

impl Control {
    /// Takes up where an earlier control left off: what was left pending has failed, and the
    /// routes lead to what runs. To be called before any verb.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`].
    pub async fn recover(&self) -> Result<(), Error> {
        let builds = self.store.fail_pending_builds().await?;
        let releases = self.store.fail_pending_releases().await?;
        if builds + releases > 0 {
            tracing::warn!(
                builds,
                releases,
                "left pending by an earlier control: failed"
            );
        }
        self.refresh_all().await.map(drop)
    }

    /// Runs for ever: converges apps that someone asked to look at, all of them every 30 s, and
    /// publishes routes whenever the engine says that something may have changed.
    pub async fn reconcile(self: Arc<Self>, Looks(mut looks): Looks) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.engine.changed() => self.publish_routes().await,
                Some(app) = looks.recv() => self.look(app),
                _ = ticks.tick() => self.look_at_all().await,
            }
        }
    }

    async fn look_at_all(self: &Arc<Self>) {
        match self.refresh_all().await {
            Ok(apps) => apps.iter().for_each(|app| self.look(app.id)),
            Err(error) => tracing::error!(%error, "apps not looked at"),
        }
    }

    /// Converges one app in the background, unless a verb has its turn and will do so itself.
    fn look(self: &Arc<Self>, app: AppId) {
        let control = self.clone();
        tokio::spawn(async move {
            let Some(_turn) = control.releases.try_take(app) else {
                return control.look_later(app).await;
            };
            if let Err(error) = control.converge(app).await {
                tracing::error!(%app, %error, "app not converged");
            }
            control.publish_routes().await;
        });
    }

    /// A verb may be on its way out with nothing more to say: look once it is done.
    async fn look_later(self: &Arc<Self>, app: AppId) {
        let _turn = self.releases.take(app).await;
        if let Err(error) = self.converge(app).await {
            tracing::error!(%app, %error, "app not converged");
        }
        self.publish_routes().await;
    }
}
