//! The names of one-offs: each given once, and so many per app at most.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use noon_domain::{AppId, ProcessName, ProcessType};

use crate::{Error, Kind};

/// The names that are taken by one-offs which wait for their user, are on their way into the
/// engine, or run there. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<HashMap<AppId, BTreeSet<ProcessName>>>>);

/// A name that is taken until this is dropped.
#[derive(Debug)]
pub struct Taken {
    names: Names,
    app: AppId,
    name: ProcessName,
}

impl Names {
    /// Takes a name that no process has, unless `most` of the app's are taken already. `seen` are
    /// the names of the processes that the engine shows.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where there are too many, [`Kind::Failed`] without random numbers.
    pub fn take(
        &self,
        app: AppId,
        seen: impl IntoIterator<Item = ProcessName>,
        most: usize,
    ) -> Result<Taken, Error> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(app).or_default();
        let one_off = |name: &ProcessName| name.kind == ProcessType::run();
        let mut taken: BTreeSet<_> = seen.into_iter().filter(one_off).collect();
        taken.extend(own.iter().cloned());
        if taken.len() >= most {
            return Err(too_many(most));
        }
        let name = free(&taken)?;
        own.insert(name.clone());
        let names = self.clone();
        Ok(Taken { names, app, name })
    }
}

impl Taken {
    /// The name.
    pub const fn name(&self) -> &ProcessName {
        &self.name
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut all = self.names.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(&self.app) {
            own.remove(&self.name);
            if own.is_empty() {
                all.remove(&self.app);
            }
        }
    }
}

fn free(taken: &BTreeSet<ProcessName>) -> Result<ProcessName, Error> {
    loop {
        let mut noise = [0; 2];
        getrandom::fill(&mut noise).map_err(|error| {
            Error::new(Kind::Failed, "the machine gave no random numbers").caused_by(error)
        })?;
        let name = ProcessName {
            kind: ProcessType::run(),
            ordinal: 1000 + u32::from(u16::from_be_bytes(noise)) % 9000,
        };
        if !taken.contains(&name) {
            return Ok(name);
        }
    }
}

fn too_many(most: usize) -> Error {
    let why = format!(
        "the app has {most} one-off processes already, which is the most that the server allows \
         at once (NOON_ONE_OFFS): `noon ps` lists them, `noon ps stop run.1234` ends one"
    );
    Error::new(Kind::Conflict, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_given_each_once_and_one_more_when_one_is_back() {
        let names = Names::default();
        let app = AppId::new();
        let seen: Vec<ProcessName> = ["web.1", "run.1234", "run.1235"]
            .map(|name| name.parse().unwrap())
            .into();
        let take = || names.take(app, seen.clone(), 30);
        let mut all: Vec<_> = (0..28).map(|_| take().unwrap()).collect();
        let distinct: BTreeSet<_> = all.iter().map(|taken| taken.name().clone()).collect();
        assert_eq!(distinct.len(), 28);
        assert!(seen.iter().all(|name| !distinct.contains(name)));
        let refused = take().unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict);
        assert!(refused.message().contains("30") && refused.message().contains("`noon ps`"));
        assert!(
            names.take(AppId::new(), [], 1).is_ok(),
            "another app's are its own"
        );
        // One that the engine shows by now is not counted twice.
        let shown = all.iter().map(|taken| taken.name().clone());
        assert!(names.take(app, shown, 29).is_ok());
        all.pop();
        assert!(take().is_ok());
    }
}
