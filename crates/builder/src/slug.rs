//! The slug's name: the digest of all that it is.

use noon_domain::{
    Commit, HealthCheck, HealthChecks, Layer, ProcessTypes, Rhythm, Slug, SlugId, StackName,
    Timestamp,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What a slug is made of.
pub(crate) struct Parts {
    pub(crate) stack: StackName,
    pub(crate) layers: Vec<Layer>,
    pub(crate) process_types: ProcessTypes,
    pub(crate) health: HealthChecks,
    pub(crate) commit: Commit,
    pub(crate) builder: String,
}

/// The manifest as it is hashed. Fields and their order are for ever.
#[derive(Serialize)]
struct Manifest<'a> {
    version: u32,
    stack: &'a str,
    layers: Vec<(&'static str, String, u64)>,
    process_types: Vec<(&'a str, &'a str)>,
    commit: &'a str,
    builder: &'a str,
    /// Where there is none the manifest is as it was before there were any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    health: Vec<(&'static str, &'a str, [u32; 3])>,
}

/// Names the parts and makes them a slug.
pub(crate) fn seal(parts: Parts) -> Slug {
    Slug {
        id: name(&parts),
        stack: parts.stack,
        layers: parts.layers,
        process_types: parts.process_types,
        health: parts.health,
        commit: parts.commit,
        builder: parts.builder,
        created_at: Timestamp::now(),
    }
}

fn name(parts: &Parts) -> SlugId {
    let layer = |l: &Layer| (l.kind.as_str(), l.id.to_string(), l.bytes);
    let manifest = Manifest {
        version: 1,
        stack: parts.stack.as_str(),
        layers: parts.layers.iter().map(layer).collect(),
        process_types: parts
            .process_types
            .iter()
            .map(|(k, c)| (k.as_str(), c))
            .collect(),
        commit: parts.commit.as_str(),
        builder: &parts.builder,
        health: health(&parts.health),
    };
    let bytes = serde_json::to_vec(&manifest).expect("text and numbers always serialise");
    SlugId::from_bytes(Sha256::digest(bytes).into())
}

fn health(checks: &HealthChecks) -> Vec<(&'static str, &str, [u32; 3])> {
    let HealthChecks { boot, live } = checks;
    fn written<'a>(
        (moment, check): (&'static str, &'a HealthCheck),
    ) -> (&'static str, &'a str, [u32; 3]) {
        let Rhythm {
            timeout,
            attempts,
            wait,
        } = check.rhythm();
        (moment, check.path(), [timeout, attempts, wait])
    }
    let boot = boot.iter().map(|check| ("boot", check));
    boot.chain(live.iter().map(|check| ("live", check)))
        .map(written)
        .collect()
}

/// A size for people.
pub(crate) fn human(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal place")]
    let mib = bytes as f64 / f64::from(1 << 20);
    if bytes < 100 << 10 {
        format!("{:.1} KiB", mib * 1024.0)
    } else {
        format!("{mib:.1} MiB")
    }
}

#[cfg(test)]
mod tests {
    use noon_domain::{LayerId, LayerKind, ProcessType};

    use super::*;

    fn parts() -> Parts {
        Parts {
            stack: StackName::new("debian-12"),
            layers: vec![Layer {
                id: LayerId::from_bytes([7; 32]),
                kind: LayerKind::Source,
                bytes: 12,
            }],
            process_types: ProcessTypes::from_pairs([(ProcessType::web(), "./run".to_owned())]),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            health: HealthChecks::default(),
            builder: "Procfile".to_owned(),
        }
    }

    #[test]
    fn equal_parts_have_one_name_and_every_other_part_another() {
        let base = name(&parts());
        assert_eq!(base, name(&parts()));
        let changes: [fn(&mut Parts); 8] = [
            |p| p.stack = StackName::new("debian-13"),
            |p| p.layers[0].id = LayerId::from_bytes([8; 32]),
            |p| p.process_types = ProcessTypes::from_pairs([(ProcessType::web(), "x".to_owned())]),
            |p| p.commit = "1123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            |p| p.builder = "Python".to_owned(),
            |p| p.health.boot = Some(check(5)),
            |p| p.health.boot = Some(check(6)),
            |p| p.health.live = Some(check(5)),
        ];
        let mut names = std::collections::HashSet::from([base]);
        for change in changes {
            let mut other = parts();
            change(&mut other);
            assert!(names.insert(name(&other)));
        }
    }

    fn check(wait: u32) -> HealthCheck {
        let rhythm = Rhythm {
            wait,
            ..Rhythm::default()
        };
        HealthCheck::new("/up", rhythm).unwrap()
    }

    #[test]
    fn a_slug_without_checks_has_the_name_that_it_had_before_there_were_any() {
        let before = "746d4f4d84d9820e0b35838c4206f365a9ba8ab62aa94530257a48acc2912669";
        assert_eq!(name(&parts()).to_string(), before);
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, expected) in [(0, "0.0 KiB"), (2048, "2.0 KiB"), (12 << 20, "12.0 MiB")] {
            assert_eq!(human(bytes), expected);
        }
    }
}
