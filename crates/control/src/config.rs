//! Config vars (factor III): each change is a release.

use std::sync::Arc;

use noon_domain::{ConfigChange, ConfigKey, ConfigVars, Reason, Version};

use crate::rollout::Draft;
use crate::{Control, Error, Operate, Permit, View};

impl Control {
    /// The config vars of the current release.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`].
    pub async fn config(&self, permit: &Permit<View>) -> Result<ConfigVars, Error> {
        Ok(self.store.current_config(permit.app().id).await?)
    }

    /// The config vars of one release.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`].
    pub async fn config_of(
        &self,
        permit: &Permit<View>,
        version: Version,
    ) -> Result<ConfigVars, Error> {
        Ok(self.store.config(permit.app().id, version).await?)
    }

    /// Changes config vars: one new release, however many vars; none where nothing changes.
    /// Returns the vars of the new release, which goes on to its phase and boot by itself.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for what config may not hold.
    pub async fn change_config(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        change: &ConfigChange,
    ) -> Result<ConfigVars, Error> {
        let app = permit.app();
        let turn = self.releases.take(app.id).await;
        let before = self.store.current_config(app.id).await?;
        let after = before.changed(change)?;
        if after == before {
            return Ok(after);
        }
        let (set, unset) = names(change, &before);
        let reason = Reason::Configured { set, unset };
        self.tell(app, permit.by(), &reason.to_string());
        let slug = self
            .store
            .current_release(app.id)
            .await?
            .and_then(|r| r.slug);
        let draft = Draft {
            slug,
            config: after.clone(),
            reason,
        };
        let rollout = self.draft(turn, (app, permit.by()), draft).await?;
        self.roll_out_in_background(rollout);
        Ok(after)
    }
}

/// The names that a change truly sets and removes.
fn names(change: &ConfigChange, before: &ConfigVars) -> (Vec<ConfigKey>, Vec<ConfigKey>) {
    let (set, unset): (Vec<_>, Vec<_>) = change
        .iter()
        .filter(|(key, value)| before.get(key) != value.as_ref())
        .partition(|(_, value)| value.is_some());
    let keys = |pairs: Vec<(&ConfigKey, _)>| pairs.into_iter().map(|(k, _)| k.clone()).collect();
    (keys(set), keys(unset))
}

#[cfg(test)]
mod tests {
    use noon_domain::Secret;

    use super::*;

    #[test]
    fn only_what_truly_changes_is_named() {
        let value = |v: &str| Some(Secret::new(v.to_owned()));
        let key = |k: &str| k.parse::<ConfigKey>().unwrap();
        let before = ConfigVars::default()
            .changed(&ConfigChange::from([
                (key("A"), value("1")),
                (key("B"), value("2")),
            ]))
            .unwrap();
        let change = ConfigChange::from([
            (key("A"), value("1")),
            (key("B"), None),
            (key("C"), value("3")),
            (key("D"), None),
        ]);
        assert_eq!(names(&change, &before), (vec![key("C")], vec![key("B")]));
    }
}
