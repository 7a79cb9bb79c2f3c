//! How far an app's processes reach (factor VI).

use std::sync::Arc;

use noon_domain::{App, AppId, Network, Reach};

use crate::{Control, Error, Kind, Operate, Permit, View};

/// What an app chose, and what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// What was chosen for it; `None` leaves it to the platform.
    pub chosen: Option<Network>,
    /// What its processes have.
    pub granted: Network,
    /// The most that the platform lets any app have.
    pub most: Network,
}

impl Control {
    /// What an app's processes may reach.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an app that is gone by now.
    pub async fn network(&self, permit: &Permit<View>) -> Result<NetworkInfo, Error> {
        let app = self.store.app(permit.app().id).await?;
        Ok(self.shown(&app))
    }

    /// Chooses what an app's processes may reach, and returns once they do: each is replaced,
    /// new beside old. Makes no release.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for more than the platform allows; [`Kind::Conflict`] for `host` with links; [`Kind::AppFailed`] where the app does
    /// not boot with it: then all is as before.
    pub async fn set_network(
        self: &Arc<Self>,
        permit: &Permit<Operate>,
        wanted: Option<Network>,
    ) -> Result<NetworkInfo, Error> {
        self.allow(wanted)?;
        let id = permit.app().id;
        if self.settings.networks.granted(wanted) == Network::Host
            && !self.store.links_from(id).await?.is_empty()
        {
            let why = "an app on the server's own network has no links: remove them first";
            return Err(Error::new(Kind::Conflict, why));
        }
        let turn = self.releases.take(id).await;
        let before = self.store.app(id).await?.network;
        let app = self.store.set_network(id, wanted).await?;
        let control = self.clone();
        let converging = tokio::spawn(async move {
            let _turn = turn;
            control.reach_or_restore(id, before).await
        });
        converging.await.unwrap_or_else(|panic| {
            Err(Error::new(Kind::Failed, "the change of network broke off").caused_by(panic))
        })?;
        self.refresh(&app).await?;
        let info = self.shown(&app);
        self.tell(&app, permit.by(), &format!("Network {}", info.granted));
        Ok(info)
    }

    fn allow(&self, wanted: Option<Network>) -> Result<(), Error> {
        let policy = &self.settings.networks;
        match wanted.filter(|wanted| !policy.allows(*wanted)) {
            None => Ok(()),
            Some(wanted) => Err(Error::new(Kind::Invalid, refusal(wanted))),
        }
    }

    async fn reach_or_restore(&self, app: AppId, before: Option<Network>) -> Result<(), Error> {
        let converged = self.converge(app).await;
        if converged.is_err() {
            self.store.set_network(app, before).await?;
            let _ = self.looks.send(app);
        }
        converged
    }

    fn shown(&self, app: &App) -> NetworkInfo {
        let policy = &self.settings.networks;
        NetworkInfo {
            chosen: app.network,
            granted: policy.granted(app.network),
            most: policy.most,
        }
    }

    /// What an app's processes reach, as the store says now.
    pub(crate) async fn reach(&self, app: &App) -> Result<Reach, Error> {
        let app = self.store.app(app.id).await?;
        let network = self.settings.networks.granted(app.network);
        let links = match network {
            Network::Host => Vec::new(), // there is nowhere that the router could listen
            Network::None | Network::Nat => self.linked_names(app.id).await?,
        };
        Ok(Reach { network, links })
    }
}

fn refusal(wanted: Network) -> String {
    match wanted {
        Network::Host => "this server lets no app share its network, where an app would reach the \
             platform's own ports: whoever runs it allows that with NOON_HOST_NETWORK=allowed"
            .to_owned(),
        _ => format!(
            "this server lets no app have the network {wanted}: it was started with NOON_EGRESS=none"
        ),
    }
}
