//! The formation (factor VIII): scale, restart, stop, look.

use std::sync::Arc;

use noon_domain::{
    AppId, Formation, FormationChange, Process, ProcessFilter, ProcessTypes, Timeout, Timestamp,
};

use crate::{Control, Error, Operate, Permit, View};

impl Control {
    /// An app's processes as they are now, by name.
    ///
    /// # Errors
    /// [`crate::Kind::Failed`].
    pub async fn processes(&self, permit: &Permit<View>) -> Result<Vec<Process>, Error> {
        let mut processes = self.engine.observe(permit.app().id).await?;
        processes.sort_by(|a, b| (&a.name, a.started_at).cmp(&(&b.name, b.started_at)));
        Ok(processes)
    }

    /// The process types of the current release and how many of each there should be.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`].
    pub async fn formation(
        &self,
        permit: &Permit<View>,
    ) -> Result<(ProcessTypes, Formation), Error> {
        let id = permit.app().id;
        Ok((
            self.process_types(id).await?,
            self.store.formation(id).await?,
        ))
    }

    /// Changes how many processes of each type there are, how large they are and how patiently they
    /// are started and stopped: all changes or none. Returns once the app looks so. Makes no release.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for types and quantities that cannot be;
    /// [`crate::Kind::AppFailed`] where a new process does not boot, and
    /// [`crate::Kind::Unavailable`] where there is no room: then all is as before.
    pub async fn scale(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        changes: &[FormationChange],
    ) -> Result<(ProcessTypes, Formation), Error> {
        let app = permit.app();
        let turn = self.releases.take(app.id).await;
        let types = self.process_types(app.id).await?;
        let before = self.store.formation(app.id).await?;
        let after = before.changed(&types, changes)?;
        self.store.set_formation(app.id, &after).await?;
        self.refresh(app).await?;
        let (control, id) = (self.clone(), app.id);
        let converging = tokio::spawn(async move {
            let _turn = turn;
            control.converge_or_restore(id, before).await
        });
        converging.await.unwrap_or_else(|panic| {
            Err(Error::new(crate::Kind::Failed, "scaling broke off").caused_by(panic))
        })?;
        self.refresh(app).await?;
        self.tell(app, permit.by(), &told(changes, &after));
        Ok((types, after))
    }

    async fn converge_or_restore(&self, app: AppId, before: Formation) -> Result<(), Error> {
        let converged = self.converge(app).await;
        if converged.is_err() {
            self.store.set_formation(app, &before).await?;
            let _ = self.looks.send(app);
        }
        converged
    }

    /// Replaces processes by fresh ones, new beside old. Returns at once.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] where nothing is meant.
    pub async fn restart(
        &self,
        permit: &Permit<Operate>,
        which: &ProcessFilter,
    ) -> Result<(), Error> {
        let app = permit.app();
        let meant = self.meant(app.id, which).await?;
        self.tell(app, permit.by(), &format!("Restart {}", shown(which)));
        let at = later_than(&meant, Timestamp::now());
        self.store.set_not_before(app.id, which, at).await?;
        let _ = self.looks.send(app.id);
        Ok(())
    }

    /// Ends processes. One-offs are gone; of the formation, new ones take their places.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] where nothing is meant.
    pub async fn stop(&self, permit: &Permit<Operate>, which: &ProcessFilter) -> Result<(), Error> {
        let app = permit.app();
        self.meant(app.id, which).await?;
        self.tell(app, permit.by(), &format!("Stop {}", shown(which)));
        self.engine.restart(app.id, which).await?;
        let _ = self.looks.send(app.id);
        Ok(())
    }

    /// Ends all one-offs of an app.
    pub(crate) async fn stop_oneoffs(&self, app: AppId) -> Result<(), Error> {
        for process in self.engine.observe(app).await? {
            self.engine
                .restart(app, &ProcessFilter::Name(process.name))
                .await?;
        }
        Ok(())
    }

    async fn meant(&self, app: AppId, which: &ProcessFilter) -> Result<Vec<Process>, Error> {
        let mut meant = self.engine.observe(app).await?;
        meant.retain(|process| which.matches(&process.name));
        if !meant.is_empty() || *which == ProcessFilter::All {
            return Ok(meant);
        }
        Err(Error::not_found("process", shown(which)))
    }

    /// The process types of the current release; none before the first deploy.
    pub(crate) async fn process_types(&self, app: AppId) -> Result<ProcessTypes, Error> {
        match self
            .store
            .current_release(app)
            .await?
            .and_then(|release| release.slug)
        {
            Some(slug) => Ok(self.store.slug(slug).await?.process_types),
            None => Ok(ProcessTypes::default()),
        }
    }
}

/// What the app's log is told of changes that were made.
fn told(changes: &[FormationChange], after: &Formation) -> String {
    let one = |change: &FormationChange| {
        let (kind, settings) = (&change.kind, after.settings(&change.kind));
        let is_scale = change.quantity.is_some() || change.size.is_some();
        let timeout = |what: &str, is_meant: bool, set: Option<Timeout>| {
            let set = set.map_or_else(|| "default".to_owned(), |set| set.to_string());
            is_meant.then(|| format!("{what} timeout {set}"))
        };
        let counted = format!("{kind}@{}:{}", after.quantity(kind), settings.size);
        let parts = [
            is_scale.then_some(counted),
            timeout("boot", change.boot.is_some(), settings.timeouts.boot),
            timeout("stop", change.stop.is_some(), settings.timeouts.stop),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        match is_scale {
            true => parts.join(" "),
            false => format!("{kind} {}", parts.join(" ")),
        }
    };
    let all: Vec<_> = changes.iter().map(one).collect();
    format!("Scaled to {}", all.join(" "))
}

/// A moment that is now, and later than the start of each of these, also where the clock was set
/// back since: otherwise they would count as started after it.
fn later_than(processes: &[Process], now: Timestamp) -> Timestamp {
    let newest = processes.iter().map(|process| process.started_at).max();
    let after = newest.map(|at| Timestamp::from_micros(at.as_micros().saturating_add(1)));
    after.map_or(now, |after| after.max(now))
}

fn shown(which: &ProcessFilter) -> String {
    match which {
        ProcessFilter::All => "all processes".to_owned(),
        ProcessFilter::Type(kind) => kind.to_string(),
        ProcessFilter::Name(name) => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use noon_domain::{ProcessId, ProcessState, Version};

    use super::*;

    fn started_at(micros: i64) -> Process {
        let at = Timestamp::from_micros(micros);
        Process {
            id: ProcessId::new(),
            app: AppId::new(),
            name: "web.1".parse().unwrap(),
            release: Some(Version::FIRST),
            command: String::new(),
            size: None,
            state: ProcessState::Up,
            started_at: at,
            updated_at: at,
            boot: None,
            expires_at: None,
            endpoint: None,
        }
    }

    #[test]
    fn a_restart_is_later_than_what_it_replaces_whatever_the_clock_says() {
        let now = Timestamp::from_micros(100);
        let at = |starts: &[i64]| {
            let processes: Vec<_> = starts.iter().map(|micros| started_at(*micros)).collect();
            later_than(&processes, now).as_micros()
        };
        assert_eq!(at(&[]), 100);
        assert_eq!(at(&[50, 99]), 100);
        assert_eq!(at(&[100]), 101);
        assert_eq!(at(&[50, 3_600_000]), 3_600_001, "the clock was set back");
    }
}
