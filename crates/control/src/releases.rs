//! The ledger, as users read it, and rollback.

use std::sync::{Arc, PoisonError};

use noon_domain::{
    Build, BuildId, BuildStatus, Reason, Release, ReleaseId, ReleaseStatus, Version,
};

use noon_store::PhaseOutput;

use crate::rollout::Draft;
use crate::{Control, Error, Kind, Operate, Permit, View};

/// The most releases or builds that are listed.
const MAX_LISTED: u32 = 1000;

/// How a release came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status.
    pub status: ReleaseStatus,
    /// Why it failed, in one sentence, where that is still known.
    pub why: Option<String>,
}

impl Control {
    /// Releases, the newest first.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn releases(&self, permit: &Permit<View>) -> Result<Vec<Release>, Error> {
        Ok(self
            .store
            .releases(permit.app().id, None, MAX_LISTED)
            .await?)
    }

    /// One release.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn release(&self, permit: &Permit<View>, version: Version) -> Result<Release, Error> {
        Ok(self.store.release(permit.app().id, version).await?)
    }

    /// One release, by id.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for a release of another app.
    pub async fn release_by_id(
        &self,
        permit: &Permit<View>,
        id: ReleaseId,
    ) -> Result<Release, Error> {
        let release = self.store.release_by_id(id).await?;
        if release.app != permit.app().id {
            return Err(Error::not_found("release", id));
        }
        Ok(release)
    }

    /// What the release phase has printed, and how it ended; `None` where there was none.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn phase_output(&self, release: ReleaseId) -> Result<Option<PhaseOutput>, Error> {
        Ok(self.store.phase_output(release).await?)
    }

    /// How a release came out, and why.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn outcome(&self, permit: &Permit<View>, version: Version) -> Result<Outcome, Error> {
        let release = self.release(permit, version).await?;
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let why = failures.get(&(release.app, version.get())).cloned();
        Ok(Outcome {
            status: release.status,
            why,
        })
    }

    /// Walks the whole ledger of an app: how many entries, or the first broken link.
    ///
    /// # Errors
    /// [`Kind::Conflict`] that names the broken link.
    pub async fn verify_ledger(&self, permit: &Permit<View>) -> Result<u32, Error> {
        Ok(self.store.verify_chain(permit.app().id).await?.entries)
    }

    /// Takes up an earlier release, slug and config, as a new one, without a build. Returns the
    /// new release, which goes on to its phase and boot by itself.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a release that was never current or whose slug is gone.
    pub async fn rollback(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        version: Version,
    ) -> Result<Release, Error> {
        let app = permit.app();
        let turn = self.releases.take(app.id).await;
        let target = self.store.release(app.id, version).await?;
        check_target(&target)?;
        let config = self.store.config(app.id, version).await?;
        let reason = Reason::RolledBack(version);
        self.tell(app, permit.by(), &reason.to_string());
        let draft = Draft {
            slug: target.slug,
            config,
            reason,
        };
        let rollout = self.draft(turn, (app, permit.by()), draft).await?;
        let release = rollout.release.clone();
        self.roll_out_in_background(rollout);
        Ok(release)
    }

    /// Builds, the newest first.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn builds(&self, permit: &Permit<View>) -> Result<Vec<Build>, Error> {
        Ok(self.store.builds(permit.app().id, MAX_LISTED).await?)
    }

    /// One build.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for a build of another app.
    pub async fn build(&self, permit: &Permit<View>, id: BuildId) -> Result<Build, Error> {
        let build = self.store.build(id).await?;
        if build.app != permit.app().id {
            return Err(Error::not_found("build", id));
        }
        Ok(build)
    }

    /// How a build stands.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn build_status(&self, build: BuildId) -> Result<BuildStatus, Error> {
        Ok(self.store.build(build).await?.status)
    }

    /// What a build has printed so far.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn build_output(&self, build: BuildId) -> Result<String, Error> {
        Ok(self.store.build_output(build).await?)
    }

    /// The release that a build led to.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn release_of(&self, build: &Build) -> Result<Option<Release>, Error> {
        match build.release {
            Some(version) => Ok(Some(self.store.release(build.app, version).await?)),
            None => Ok(None),
        }
    }
}

fn check_target(target: &Release) -> Result<(), Error> {
    let version = target.version;
    let why = match (target.status, target.slug) {
        (ReleaseStatus::Succeeded, Some(_)) if target.has_slug_kept => return Ok(()),
        (ReleaseStatus::Succeeded, Some(_)) => "its slug is no longer kept: push its commit again",
        (ReleaseStatus::Succeeded, None) => "it has no code",
        _ => "it never was current: choose one that `noon releases` does not show as failed",
    };
    Err(Error::new(
        Kind::Invalid,
        format!("cannot roll back to {version}: {why}"),
    ))
}
