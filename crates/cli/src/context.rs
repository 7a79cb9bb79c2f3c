//! What every command is handed.

use crate::client::{Api, AppApi};
use crate::error::{Error, Result};
use crate::git;
use crate::output::Output;
use crate::settings::Settings;

/// The settings, and where to print.
#[derive(Debug)]
pub struct Context {
    /// Which server, which app, as whom.
    pub settings: Settings,
    /// Where results and remarks go.
    pub out: Output,
}

impl Context {
    /// The server's API.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] where there is no token.
    pub fn api(&self) -> Result<Api> {
        let server = self.settings.server.clone();
        match &self.settings.token {
            Some(token) => Ok(Api::new(server, token.clone())),
            None => Err(Error::NotLoggedIn(server.to_string())),
        }
    }

    /// The API of the app that is meant.
    ///
    /// # Errors
    /// [`Error::NoApp`] and [`Error::ForeignRemote`] where none can be found out.
    pub fn app(&self) -> Result<AppApi> {
        let name = self.app_name()?;
        Ok(AppApi {
            api: self.api()?,
            name,
        })
    }

    /// The app that is meant: by flag or environment, else by the git remote.
    fn app_name(&self) -> Result<String> {
        if let Some(app) = &self.settings.app {
            return checked(app);
        }
        let url = git::remote_url().ok_or(Error::NoApp)?;
        checked(&git::app_of_remote(&url, &self.settings.server)?)
    }
}

/// A name as the server takes it, so that a slip is seen here.
fn checked(app: &str) -> Result<String> {
    match app.parse::<noon_domain::AppName>() {
        Ok(name) => Ok(name.to_string()),
        Err(error) => Err(Error::usage(error.to_string(), "noon apps lists your apps")),
    }
}
