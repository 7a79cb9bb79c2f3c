//! Apps: create, list, rename, destroy.

use noon_domain::{App, AppName, CustomDomain, Hostname, Network, Principal, Slug};
use noon_store::NewApp;

use crate::{Control, Error, Kind, Operate, Own, Permit, View, intent};

/// An app and what is shown beside it.
#[derive(Clone, Debug)]
pub struct AppInfo {
    /// The app.
    pub app: App,
    /// What its current release runs.
    pub slug: Option<Slug>,
}

impl Control {
    /// Makes an app, with its first, empty release.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the name is taken.
    pub async fn create_app(&self, who: &Principal, name: AppName) -> Result<App, Error> {
        let stack = self.settings.stack.clone();
        let app = self
            .store
            .create_app(&NewApp {
                name,
                owner: who.user.id,
                stack,
            })
            .await?;
        self.tell(&app, who, "Initial release");
        self.refresh(&app).await?;
        Ok(app)
    }

    /// Makes an app with a name that is made up.
    ///
    /// # Errors
    /// As [`Control::create_app`].
    pub async fn create_app_with_any_name(&self, who: &Principal) -> Result<App, Error> {
        let mut noise = [0; 4];
        getrandom::fill(&mut noise).map_err(|e| {
            Error::new(Kind::Failed, "the machine gave no random numbers").caused_by(e)
        })?;
        let name = format!("app-{:08x}", u32::from_be_bytes(noise));
        let name = name.parse().map_err(Error::invalid)?;
        self.create_app(who, name).await
    }

    /// All apps that the principal may see, by name.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn apps(&self, who: &Principal) -> Result<Vec<App>, Error> {
        let apps = self.store.apps().await?;
        Ok(apps
            .into_iter()
            .filter(|app| app.owner == who.user.id)
            .collect())
    }

    /// What an app runs now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn app_info(&self, app: App) -> Result<AppInfo, Error> {
        let slug = match self
            .store
            .current_release(app.id)
            .await?
            .and_then(|r| r.slug)
        {
            Some(slug) => Some(self.store.slug(slug).await?),
            None => None,
        };
        Ok(AppInfo { app, slug })
    }

    /// Gives an app another name, and so another host.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the name is taken.
    pub async fn rename_app(&self, permit: &Permit<Own>, name: AppName) -> Result<App, Error> {
        let app = self.store.rename_app(permit.app().id, &name).await?;
        self.tell(
            &app,
            permit.by(),
            &format!("Renamed from {} to {name}", permit.app().name),
        );
        self.refresh(&app).await?;
        self.tell_linked(app.id).await?;
        Ok(app)
    }

    /// Switches the maintenance page on or off. Makes no release.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn set_maintenance(
        &self,
        permit: &Permit<Operate>,
        is_on: bool,
    ) -> Result<App, Error> {
        let app = self.store.set_maintenance(permit.app().id, is_on).await?;
        let deed = if is_on {
            "Maintenance mode on"
        } else {
            "Maintenance mode off"
        };
        self.tell(&app, permit.by(), deed);
        self.refresh(&app).await?;
        Ok(app)
    }

    /// Stops an app and removes all of it: processes, releases, config, code, logs.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]; the app may then be stopped, and is destroyed by asking again.
    pub async fn destroy_app(&self, permit: &Permit<Own>) -> Result<App, Error> {
        let app = permit.app();
        let _pushes = self.pushes.take(app.id).await;
        let _releases = self.releases.take(app.id).await;
        let nothing = intent(
            (app, Network::None.into()),
            None,
            &noon_domain::Formation::default(),
            &[],
        );
        self.engine.converge(&nothing).await?;
        self.stop_oneoffs(app.id).await?;
        self.store.destroy_app(app.id).await?;
        self.forget(app.id);
        self.publish_routes().await;
        (self.hooks.forgotten)(app.id).await;
        tracing::info!(app = %app.name, by = %permit.by().user.email, "app destroyed");
        Ok(app.clone())
    }

    /// The platform's own host name of an app.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where the platform's domain is no domain.
    pub fn own_hostname(&self, app: &App) -> Result<Hostname, Error> {
        Ok(format!("{}.{}", app.name, self.settings.domain).parse()?)
    }

    /// Where an app answers.
    pub fn web_url(&self, app: &App) -> String {
        match self.settings.port {
            80 => format!("http://{}.{}/", app.name, self.settings.domain),
            port => format!("http://{}.{}:{port}/", app.name, self.settings.domain),
        }
    }

    /// An app's custom domains.
    ///
    /// # Errors
    /// [`Kind::Unavailable`].
    pub async fn domains(&self, permit: &Permit<View>) -> Result<Vec<CustomDomain>, Error> {
        Ok(self.store.domains(permit.app().id).await?)
    }

    /// Lets a host name lead to an app. Makes no release.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the name leads to an app already, or is the platform's.
    pub async fn add_domain(
        &self,
        permit: &Permit<Operate>,
        hostname: Hostname,
    ) -> Result<CustomDomain, Error> {
        let below = format!(".{}", self.settings.domain);
        if hostname.as_str() == self.settings.domain || hostname.as_str().ends_with(&below) {
            let why = format!("{hostname} lies below the platform's own domain: rename the app");
            return Err(Error::new(Kind::Conflict, why));
        }
        let domain = self.store.add_domain(permit.app().id, &hostname).await?;
        self.tell(
            permit.app(),
            permit.by(),
            &format!("Add {} domain", domain.hostname),
        );
        self.refresh(permit.app()).await?;
        Ok(domain)
    }

    /// Takes a host name from an app.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn remove_domain(
        &self,
        permit: &Permit<Operate>,
        hostname: &Hostname,
    ) -> Result<CustomDomain, Error> {
        let domains = self.store.domains(permit.app().id).await?;
        let found = domains
            .into_iter()
            .find(|domain| domain.hostname == *hostname);
        let domain = found.ok_or_else(|| Error::not_found("domain", hostname))?;
        self.store.remove_domain(permit.app().id, hostname).await?;
        self.tell(
            permit.app(),
            permit.by(),
            &format!("Remove {hostname} domain"),
        );
        self.refresh(permit.app()).await?;
        Ok(domain)
    }
}
