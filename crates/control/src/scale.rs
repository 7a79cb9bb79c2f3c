//! The formation (factor VIII): scale, restart, stop, look.

use std::sync::Arc;
use std::time::Duration;

use noon_domain::{
    AppId, Formation, FormationChange, Process, ProcessFilter, ProcessTypes, Timeout, Timeouts,
    Timestamp,
};

use crate::{Control, Error, Operate, Permit, View};

/// How long what runs may take to hear of other timeouts before the verb returns.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

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
        let moves = changes.iter().any(moves);
        let mut converging = tokio::spawn(async move {
            let _turn = turn;
            match moves {
                true => control.converge_or_restore(id, before).await,
                false => control.converge(id).await,
            }
        });
        let broke_off =
            |panic| Err(Error::new(crate::Kind::Failed, "scaling broke off").caused_by(panic));
        if moves {
            converging.await.unwrap_or_else(broke_off)?;
        } else {
            // Nothing is to be waited for: what runs is told, and whatever else is amiss with the
            // app is no reason to take a timeout back.
            let _ = tokio::time::timeout(HEARD_WITHIN, &mut converging).await;
        }
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

/// Whether a change means that processes come, go or are replaced.
fn moves(change: &FormationChange) -> bool {
    change.quantity.is_some() || change.size.is_some()
}

/// What the app's log is told of changes that were made.
fn told(changes: &[FormationChange], after: &Formation) -> String {
    let counted = |change: &FormationChange| {
        let (kind, size) = (&change.kind, after.settings(&change.kind).size);
        format!("{kind}@{}:{size}", after.quantity(kind))
    };
    let patient = |change: &FormationChange| {
        let Timeouts { boot, stop } = after.settings(&change.kind).timeouts;
        let set = |timeout: Option<Timeout>| timeout.map_or("default".into(), |t| t.to_string());
        let kind = &change.kind;
        format!(
            "{kind} boot timeout {}, stop timeout {}",
            set(boot),
            set(stop)
        )
    };
    let scaled: Vec<_> = changes.iter().filter(|c| moves(c)).map(counted).collect();
    let set: Vec<_> = changes.iter().filter(|c| !moves(c)).map(patient).collect();
    let scaled = (!scaled.is_empty()).then(|| format!("Scaled to {}", scaled.join(" ")));
    let set = (!set.is_empty()).then(|| format!("Set {}", set.join("; ")));
    let both: Vec<_> = scaled.into_iter().chain(set).collect();
    both.join("; ")
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
    use noon_domain::{ProcessId, ProcessState, ProcessType, Quantity, ScaleChange, Size, Version};

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
            inside: None,
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

    #[test]
    fn the_log_is_told_what_was_scaled_and_what_was_set() {
        let web = FormationChange::of(ProcessType::web());
        let scale = FormationChange {
            quantity: Some(ScaleChange::To(Quantity::ONE)),
            size: Some(Size::Standard2X),
            ..web.clone()
        };
        let patience = FormationChange {
            boot: Some("2m".parse().unwrap()),
            ..web
        };
        let types = ProcessTypes::parse(b"web: a\n").unwrap();
        for (changes, expected) in [
            (vec![scale.clone()], "Scaled to web@1:standard-2x"),
            (
                vec![patience.clone()],
                "Set web boot timeout 2m, stop timeout default",
            ),
            (
                vec![scale, patience],
                "Scaled to web@1:standard-2x; Set web boot timeout 2m, stop timeout default",
            ),
        ] {
            let after = Formation::default().changed(&types, &changes).unwrap();
            assert_eq!(told(&changes, &after), expected);
        }
    }
}
