//! What the router needs to know of each app, kept in memory so that routes outlive the database.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use noon_domain::{App, AppId, Formation, Hostname, RouteTable};

use crate::routes::{Routed, routes};
use crate::{Control, Error};

/// One app in the directory.
#[derive(Clone, Debug)]
struct Listed {
    app: App,
    hosts: Vec<Hostname>,
    has_slug: bool,
    formation: Formation,
    links: Vec<AppId>,
}

/// All apps, as of the last look into the store.
#[derive(Debug, Default)]
pub struct Directory {
    apps: Mutex<HashMap<AppId, Listed>>,
    /// Whether every app of the store was listed once.
    is_whole: AtomicBool,
    published: tokio::sync::Mutex<RouteTable>,
}

impl Directory {
    fn list(&self) -> Vec<Listed> {
        self.apps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    fn put(&self, listed: Listed) {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.insert(listed.app.id, listed);
    }

    fn remove(&self, app: AppId) {
        self.apps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&app);
    }
}

impl Control {
    /// Looks one app up anew, publishes the routes that follow, and returns once they are followed:
    /// whoever is told that something was done finds it so.
    pub(crate) async fn refresh(&self, app: &App) -> Result<(), Error> {
        self.relist(app).await?;
        self.publish_routes().await;
        (self.hooks.routed)().await;
        Ok(())
    }

    /// Looks all apps up anew, and publishes.
    pub(crate) async fn refresh_all(&self) -> Result<Vec<App>, Error> {
        let apps = self.store.apps().await?;
        for app in &apps {
            self.relist(app).await?;
        }
        let gone = |listed: &Listed| !apps.iter().any(|app| app.id == listed.app.id);
        for listed in self.directory.list().into_iter().filter(gone) {
            self.directory.remove(listed.app.id);
        }
        self.directory.is_whole.store(true, Ordering::Release);
        self.publish_routes().await;
        Ok(apps)
    }

    /// Takes an app out of the routes.
    pub(crate) fn forget(&self, app: AppId) {
        self.directory.remove(app);
        self.pushes.forget(app);
        self.releases.forget(app);
        let _ = self.looks.send(app);
    }

    /// Makes the table from what is listed and what runs, and hands it out if it changed. Until
    /// all apps are listed, the routers keep the table of an earlier control, which knows them.
    pub(crate) async fn publish_routes(&self) {
        if !self.directory.is_whole.load(Ordering::Acquire) {
            return;
        }
        // One at a time: an older look at the processes must not be published after a newer.
        let mut published = self.directory.published.lock().await;
        let mut apps = Vec::new();
        for listed in self.directory.list() {
            let processes = match self.engine.observe(listed.app.id).await {
                Ok(processes) => processes,
                Err(error) => {
                    tracing::error!(app = %listed.app.name, %error, "processes not observed");
                    continue;
                }
            };
            let Listed {
                app,
                hosts,
                has_slug,
                formation,
                links,
            } = listed;
            apps.push(Routed {
                app,
                hosts,
                has_slug,
                formation,
                links,
                processes,
            });
        }
        let is_first = published.generation == 0;
        if is_first || routes(published.generation, &apps) != *published {
            *published = routes(published.generation + 1, &apps);
            (self.hooks.routes)(&published);
        }
    }

    async fn relist(&self, app: &App) -> Result<(), Error> {
        let Some(app) = self.app_if_any(app.id).await? else {
            self.directory.remove(app.id);
            return Ok(());
        };
        let mut hosts = vec![self.own_hostname(&app)?];
        hosts.extend(
            self.store
                .domains(app.id)
                .await?
                .into_iter()
                .map(|d| d.hostname),
        );
        let has_slug = self
            .store
            .current_release(app.id)
            .await?
            .is_some_and(|r| r.slug.is_some());
        let formation = self.store.formation(app.id).await?;
        let links = self.store.links_from(app.id).await?;
        self.directory.put(Listed {
            app,
            hosts,
            has_slug,
            formation,
            links: links.into_iter().map(|link| link.to).collect(),
        });
        Ok(())
    }
}

impl Control {
    /// An app, unless it is gone.
    pub(crate) async fn app_if_any(&self, app: AppId) -> Result<Option<App>, Error> {
        match self.store.app(app).await {
            Ok(app) => Ok(Some(app)),
            Err(noon_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
