//! The API of one app.

use noon_wire::noon::{ProcessInfo, ReleaseOutcome, TypeTimes};
use noon_wire::{App, Dyno, Formation, Release};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Api, ListRange};
use crate::error::{Error, Result};

/// An app of a server.
#[derive(Clone, Debug)]
pub struct AppApi {
    /// The server's API.
    pub api: Api,
    /// The app's name.
    pub name: String,
}

impl AppApi {
    /// A path below the app's.
    pub fn path(&self, rest: &str) -> String {
        format!("/apps/{}{rest}", self.name)
    }

    /// A path below the app's, of what Heroku has no word for.
    pub fn noon_path(&self, rest: &str) -> String {
        format!("/noon/apps/{}{rest}", self.name)
    }

    /// `GET` below the app.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn get<T: DeserializeOwned>(&self, rest: &str) -> Result<T> {
        self.api.get(&self.path(rest))
    }

    /// `PATCH` below the app.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn patch<T: DeserializeOwned>(&self, rest: &str, body: &impl Serialize) -> Result<T> {
        self.api.patch(&self.path(rest), body)
    }

    /// `POST` below the app.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn post<T: DeserializeOwned>(&self, rest: &str, body: &impl Serialize) -> Result<T> {
        self.api.post(&self.path(rest), body)
    }

    /// A list below the app, all of it.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn list<T: DeserializeOwned>(&self, rest: &str) -> Result<Vec<T>> {
        self.api.list(&self.path(rest), ListRange::All)
    }

    /// The app itself.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn show(&self) -> Result<App> {
        self.get("")
    }

    /// The newest releases, newest first.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn newest_releases(&self, count: usize) -> Result<Vec<Release>> {
        self.api
            .list(&self.path("/releases"), ListRange::Newest(count))
    }

    /// The number of the newest release; 0 where there is none.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn newest_version(&self) -> Result<u32> {
        Ok(self
            .newest_releases(1)?
            .first()
            .map_or(0, |release| release.version))
    }

    /// A release by its number.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn release(&self, version: u32) -> Result<Release> {
        self.get(&format!("/releases/{version}"))
    }

    /// The release that the app runs.
    ///
    /// # Errors
    /// [`Error::Missing`] where it runs none yet.
    pub fn current_release(&self) -> Result<Release> {
        let releases: Vec<Release> = self.list("/releases")?;
        let current = releases.into_iter().rev().find(|release| release.current);
        current.ok_or_else(|| Error::Missing(format!("{} runs no release yet", self.name)))
    }

    /// Why a release came out as it did; empty where nobody knows.
    pub fn reason_of_outcome(&self, version: u32) -> String {
        let path = self.noon_path(&format!("/releases/{version}/outcome"));
        let outcome: Result<ReleaseOutcome> = self.api.get(&path);
        outcome
            .ok()
            .and_then(|outcome| outcome.why)
            .unwrap_or_default()
    }

    /// How long the processes of a release took to boot and to stop, by type.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn release_times(&self, version: u32) -> Result<Vec<TypeTimes>> {
        let path = self.noon_path(&format!("/releases/{version}/times"));
        self.api.get(&path)
    }

    /// The processes.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn dynos(&self) -> Result<Vec<Dyno>> {
        self.list("/dynos")
    }

    /// What Heroku's list of processes cannot say.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn processes(&self) -> Result<Vec<ProcessInfo>> {
        self.api.get(&self.noon_path("/processes"))
    }

    /// The formation: the types that can have processes.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn formation(&self) -> Result<Vec<Formation>> {
        let mut formation = self.whole_formation()?;
        formation.retain(|entry| entry.kind != "release");
        Ok(formation)
    }

    /// The formation and the release phase.
    ///
    /// # Errors
    /// Whatever a request can fail with.
    pub fn whole_formation(&self) -> Result<Vec<Formation>> {
        self.list("/formation")
    }
}
