//! What may be thrown away: code of releases that lie far back.

use std::collections::HashSet;

use noon_domain::{App, LayerId, SlugId};

use crate::{Control, Error};

/// So many of an app's newest releases can be rolled back to.
const KEPT: u32 = 50;

impl Control {
    /// The layers that some release can still be started from. Slugs of releases that lie further
    /// back are marked as gone first, so that nobody rolls back to what is being removed.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`]; then nothing may be thrown away.
    pub async fn layers_in_use(&self) -> Result<HashSet<LayerId>, Error> {
        let apps = self.store.apps().await?;
        let mut kept = HashSet::new();
        for app in &apps {
            kept.extend(self.kept_slugs(app).await?);
        }
        let mut layers = HashSet::new();
        for app in &apps {
            let _turn = self.releases.take(app.id).await;
            self.retire_slugs(app, &kept).await?;
            for slug in self.store.slugs_of(app.id).await? {
                layers.extend(slug.layers.iter().map(|layer| layer.id));
            }
        }
        Ok(layers)
    }

    async fn kept_slugs(&self, app: &App) -> Result<HashSet<SlugId>, Error> {
        let newest = self.store.releases(app.id, None, KEPT).await?;
        let current = self.store.current_release(app.id).await?;
        Ok(newest
            .iter()
            .chain(&current)
            .filter_map(|release| release.slug)
            .collect())
    }

    /// Marks what neither this app nor another keeps. A slug that has just been built and has no
    /// release yet is younger than any release, and is left alone.
    async fn retire_slugs(&self, app: &App, elsewhere: &HashSet<SlugId>) -> Result<(), Error> {
        let kept = self.kept_slugs(app).await?;
        let oldest = self
            .store
            .releases(app.id, None, KEPT)
            .await?
            .last()
            .map(|r| r.created_at);
        for slug in self.store.slugs_of(app.id).await? {
            let is_kept = kept.contains(&slug.id) || elsewhere.contains(&slug.id);
            if !is_kept && oldest.is_some_and(|oldest| slug.created_at < oldest) {
                self.store.mark_slug_gone(slug.id).await?;
            }
        }
        Ok(())
    }
}
