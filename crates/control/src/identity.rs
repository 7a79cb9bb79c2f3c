//! Who is asking, and what they may do.

use noon_domain::{App, AppName, Principal, Secret, User, UserId};

use crate::{Control, Deploy, Error, Kind, Operate, Own, Permit, View};

impl Control {
    /// Finds out whom a token proves.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] for a token that proves nobody.
    pub async fn authenticate(&self, token: &Secret<String>) -> Result<Principal, Error> {
        self.store.authenticate(token).await?.ok_or_else(|| {
            Error::new(
                Kind::Unauthorized,
                "that token is not valid here: run `noon login`",
            )
        })
    }

    /// Permits to look at an app, named by name or id.
    ///
    /// # Errors
    /// [`Kind::NotFound`] also for apps that the principal may not know of.
    pub async fn permit_view(&self, who: &Principal, app: &str) -> Result<Permit<View>, Error> {
        Ok(Permit::grant(self.find_app(who, app).await?, who.clone()))
    }

    /// Permits to push to an app.
    ///
    /// # Errors
    /// As [`Control::permit_view`].
    pub async fn permit_deploy(&self, who: &Principal, app: &str) -> Result<Permit<Deploy>, Error> {
        Ok(Permit::grant(self.find_app(who, app).await?, who.clone()))
    }

    /// Permits to change what an app runs.
    ///
    /// # Errors
    /// As [`Control::permit_view`].
    pub async fn permit_operate(
        &self,
        who: &Principal,
        app: &str,
    ) -> Result<Permit<Operate>, Error> {
        Ok(Permit::grant(self.find_app(who, app).await?, who.clone()))
    }

    /// Permits to rename or destroy an app.
    ///
    /// # Errors
    /// As [`Control::permit_view`].
    pub async fn permit_own(&self, who: &Principal, app: &str) -> Result<Permit<Own>, Error> {
        Ok(Permit::grant(self.find_app(who, app).await?, who.clone()))
    }

    /// The user behind an id, as the ledger names its authors.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn user(&self, id: UserId) -> Result<User, Error> {
        Ok(self.store.user(id).await?)
    }

    pub(crate) async fn find_app(&self, who: &Principal, app: &str) -> Result<App, Error> {
        let missing = || Error::not_found("app", app);
        let found = match app.parse() {
            Ok(id) => self.store.app(id).await,
            Err(_) => {
                let name: AppName = app.parse().map_err(|_| missing())?;
                self.store.app_by_name(&name).await
            }
        };
        match found {
            Ok(found) if found.owner == who.user.id => Ok(found),
            Ok(_) | Err(noon_store::Error::NotFound { .. }) => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }
}
