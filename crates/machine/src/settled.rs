//! What once stood: the last release of each app that converged, and its places.
//!
//! It tells a place that is only refilled from one that is new, also after a restart of the
//! machine: when `web.1` of the current release does not boot any more, that must not stop
//! `web.2`, as a failed deploy would.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use noon_domain::{AppId, Intent, ProcessName, ReleaseId};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The release of an app that converged last, and the places that it filled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The release.
    pub release: Option<ReleaseId>,
    /// Its places.
    pub places: BTreeSet<ProcessName>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    release: Option<uuid::Uuid>,
    places: BTreeSet<String>,
}

impl Settled {
    /// What stands when this intent has been met.
    pub fn after(intent: &Intent) -> Self {
        Self {
            release: intent.release.as_ref().map(|release| release.id),
            places: intent.places.iter().map(|p| p.name.clone()).collect(),
        }
    }

    /// Whether this place of this release stood before.
    pub fn knows(&self, release: ReleaseId, name: &ProcessName) -> bool {
        self.release == Some(release) && self.places.contains(name)
    }

    /// What stood of an app; nothing, when nothing is written of it.
    pub fn read(shims_dir: &Path, app: AppId) -> Self {
        let read = || {
            let bytes = std::fs::read(file(shims_dir, app)).ok()?;
            let written: Written = serde_json::from_slice(&bytes).ok()?;
            Some(Self {
                release: written.release.map(ReleaseId::from_uuid),
                places: written
                    .places
                    .iter()
                    .filter_map(|p| p.parse().ok())
                    .collect(),
            })
        };
        read().unwrap_or_default()
    }

    /// Writes down what stands of an app, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, shims_dir: &Path, app: AppId) -> Result<(), Error> {
        let file = file(shims_dir, app);
        if self.places.is_empty() || self.release.is_none() {
            let _ = std::fs::remove_file(&file);
            return Ok(());
        }
        let written = Written {
            release: self.release.map(|id| id.as_uuid()),
            places: self.places.iter().map(ProcessName::to_string).collect(),
        };
        let bytes = serde_json::to_vec(&written).expect("names and an id are plain data");
        let dir = shims_dir.join(DIR);
        std::fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, bytes).map_err(Error::file("write", &fresh))?;
        std::fs::rename(&fresh, &file).map_err(Error::file("replace", &file))
    }
}

/// Not the name of a shim: those are ids.
const DIR: &str = ".settled";

fn file(shims_dir: &Path, app: AppId) -> PathBuf {
    shims_dir.join(DIR).join(app.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_is_known_again_and_forgotten_when_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let (app, release) = (AppId::new(), ReleaseId::new());
        let web: ProcessName = "web.1".parse().unwrap();
        let stood = Settled {
            release: Some(release),
            places: [web.clone()].into(),
        };
        stood.write(dir.path(), app).unwrap();
        let read = Settled::read(dir.path(), app);
        assert_eq!(read, stood);
        assert!(read.knows(release, &web));
        assert!(!read.knows(ReleaseId::new(), &web));
        assert!(!read.knows(release, &"web.2".parse().unwrap()));
        Settled::default().write(dir.path(), app).unwrap();
        assert_eq!(Settled::read(dir.path(), app), Settled::default());
    }
}
