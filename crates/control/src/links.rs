//! Links (factor VII): one app's processes reach another's web processes, inside the platform.
//!
//! No wall is opened for it: the router listens inside the linked processes and knows from its
//! table what each may reach. The names stand in the processes' own list of hosts, which is written
//! when they start: so a new name replaces them, and one that is gone leads nowhere at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use noon_domain::{App, AppId, Hostname, Link, Network, ProcessId};

use crate::{Control, Error, Kind, Operate, Permit, View};

/// A link as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// The link.
    pub link: Link,
    /// The app that it leads to.
    pub to: App,
    /// The name that it has in the linked processes.
    pub host: Hostname,
    /// Whether processes were replaced just now, so that they know the name.
    pub restarted: bool,
}

impl LinkInfo {
    fn new(link: Link, to: App) -> Self {
        Self {
            host: Hostname::internal(&to.name),
            link,
            to,
            restarted: false,
        }
    }
}

impl Control {
    /// The apps that an app's processes reach.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn links(&self, permit: &Permit<View>) -> Result<Vec<LinkInfo>, Error> {
        let mut shown = Vec::new();
        for link in self.store.links_from(permit.app().id).await? {
            if let Some(to) = self.app_if_any(link.to).await? {
                shown.push(LinkInfo::new(link, to));
            }
        }
        Ok(shown)
    }

    /// Lets an app's processes reach another app of the same owner, and returns once they do: those
    /// that do not know its name are replaced, new beside old. Makes no release.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where the other is not this owner's; [`Kind::Conflict`] for a link that
    /// there is, an app itself and one on this machine's own network; [`Kind::AppFailed`] where
    /// the app does not boot again: then all is as before.
    pub async fn add_link(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        other: &str,
    ) -> Result<LinkInfo, Error> {
        let app = permit.app();
        let to = self.linkable(permit, other).await?;
        let turn = self.releases.take(app.id).await;
        let before = self.running(app.id).await?;
        let added = self.store.add_link(app.id, to.id).await;
        let link = added.map_err(|error| already(error, &to))?;
        self.refresh(app).await?;
        let control = self.clone();
        let converging = tokio::spawn(async move {
            let _turn = turn;
            control.link_or_restore(link).await
        });
        converging.await.unwrap_or_else(|panic| {
            Err(Error::new(Kind::Failed, "linking broke off").caused_by(panic))
        })?;
        self.refresh(app).await?;
        let restarted = !self.running(app.id).await?.is_subset(&before);
        let deed = format!("Link to {}", to.name);
        self.tell(app, permit.by(), &deed);
        Ok(LinkInfo {
            restarted,
            ..LinkInfo::new(link, to)
        })
    }

    /// Lets an app's processes reach another no more. New requests are refused once this returns,
    /// with no restart; what is in flight has a moment to end.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such link.
    pub async fn remove_link(
        &self,
        permit: &Permit<Operate>,
        other: &str,
    ) -> Result<LinkInfo, Error> {
        let app = permit.app();
        let links = self.store.links_from(app.id).await?;
        let to = self.find_app(permit.by(), other).await?;
        let link = links.into_iter().find(|link| link.to == to.id);
        let link = link.ok_or_else(|| Error::not_found("link", format!("to {}", to.name)))?;
        self.store.remove_link(app.id, to.id).await?;
        self.refresh(app).await?;
        self.tell(app, permit.by(), &format!("Unlink from {}", to.name));
        Ok(LinkInfo::new(link, to))
    }

    /// Replaces the processes of apps that are linked to this one: its name is another now.
    pub(crate) async fn tell_linked(&self, app: AppId) -> Result<(), Error> {
        for link in self.store.links_to(app).await? {
            let _ = self.looks.send(link.from);
        }
        Ok(())
    }

    /// The names under which an app's processes find others.
    pub(crate) async fn linked_names(&self, app: AppId) -> Result<Vec<Hostname>, Error> {
        let mut names = Vec::new();
        for link in self.store.links_from(app).await? {
            let to = self.app_if_any(link.to).await?;
            names.extend(to.map(|to| Hostname::internal(&to.name)));
        }
        names.sort();
        Ok(names)
    }

    async fn linkable(&self, permit: &Permit<Operate>, other: &str) -> Result<App, Error> {
        let app = permit.app();
        let to = self.find_app(permit.by(), other).await?;
        if to.id == app.id {
            let why = format!(
                "{} reaches itself at localhost:$PORT: no link is needed",
                app.name
            );
            return Err(Error::new(Kind::Conflict, why));
        }
        if self.settings.networks.granted(app.network) == Network::Host {
            let why = format!(
                "{} shares the server's network, where it cannot be given links: choose another \
                 with `noon network set nat` first",
                app.name
            );
            return Err(Error::new(Kind::Conflict, why));
        }
        Ok(to)
    }

    async fn link_or_restore(&self, link: Link) -> Result<(), Error> {
        let converged = self.converge(link.from).await;
        if converged.is_err() {
            self.store.remove_link(link.from, link.to).await?;
            let _ = self.looks.send(link.from);
        }
        converged
    }

    async fn running(&self, app: AppId) -> Result<BTreeSet<ProcessId>, Error> {
        let processes = self.engine.observe(app).await?;
        Ok(processes.into_iter().map(|process| process.id).collect())
    }
}

fn already(error: noon_store::Error, to: &App) -> Error {
    match error {
        noon_store::Error::Taken { .. } => {
            let why = format!("the app is linked to {} already", to.name);
            Error::new(Kind::Conflict, why)
        }
        error => error.into(),
    }
}
