//! Process sizes, which Heroku's API calls dyno sizes.

use noon_domain::Size;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Named, SizeRef};

/// One size, as `GET /dyno-sizes` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DynoSize {
    /// The processor's architecture.
    pub architecture: String,
    /// Its share of the processor, in shares of an ordinary process.
    pub compute: u32,
    /// Nothing: the machine is yours.
    pub cost: Option<serde_json::Value>,
    /// Whether it has a machine to itself.
    pub dedicated: bool,
    /// The generation of Heroku's platform that it is like.
    pub generation: Generation,
    /// The identity.
    pub id: Uuid,
    /// Its memory quota, in GB of 2^30 bytes.
    pub memory: f64,
    /// The name.
    pub name: String,
    /// As `compute`.
    pub precise_dyno_units: f64,
    /// Whether it is for private spaces only.
    pub private_space_only: bool,
}

/// A generation of Heroku's platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The identity.
    pub id: Uuid,
    /// The name.
    pub name: String,
}

impl From<Size> for DynoSize {
    fn from(size: Size) -> Self {
        let compute = size.cpu_weight() / 100;
        let Named { id, name } = Named::by_name("dyno-size", size.as_str());
        let generation = Named::by_name("generation", "cedar");
        // Whole MiB, which are small enough to be exact.
        let mib = u32::try_from(size.memory() >> 20).unwrap_or(u32::MAX);
        Self {
            architecture: std::env::consts::ARCH.replace("x86_64", "amd64"),
            compute,
            cost: None,
            dedicated: false,
            generation: Generation {
                id: generation.id,
                name: generation.name,
            },
            id,
            memory: f64::from(mib) / 1024.0,
            name,
            precise_dyno_units: f64::from(compute),
            private_space_only: false,
        }
    }
}

/// The size that a client names, by its name or its id.
pub fn size_by(named: &SizeRef) -> Option<Size> {
    let by_id = |id: Uuid| {
        Size::ALL
            .into_iter()
            .find(|size| DynoSize::from(*size).id == id)
    };
    let by_text = |text: &str| text.parse().ok().or_else(|| by_id(text.parse().ok()?));
    match named {
        SizeRef::Plain(text) => by_text(text),
        SizeRef::Object {
            name: Some(name), ..
        } => by_text(name),
        SizeRef::Object { id: Some(id), .. } => by_id(*id),
        SizeRef::Object { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_by_its_name_in_any_case_and_by_its_id() {
        for size in Size::ALL {
            let shown = DynoSize::from(size);
            for named in [
                SizeRef::Plain(size.to_string()),
                SizeRef::Plain(size.as_str().to_uppercase()),
                SizeRef::Plain(shown.id.to_string()),
                serde_json::from_value(serde_json::json!({ "id": shown.id })).unwrap(),
                serde_json::from_value(serde_json::json!({ "name": shown.name })).unwrap(),
            ] {
                assert_eq!(size_by(&named), Some(size), "{named:?}");
            }
        }
        assert_eq!(size_by(&SizeRef::Plain("huge".to_owned())), None);
        assert_eq!(DynoSize::from(Size::PerformanceM).memory, 2.5);
    }
}
