//! What the ledger's hashes are taken over. Pure; any change here breaks every chain ever written.

use noon_domain::{AppId, Commit, ConfigKey, ConfigVars, Reason, ReleaseId, SlugId, Timestamp};
use noon_domain::{UserId, Version};
use sha2::{Digest, Sha256};

use crate::key::{Keys, hmac};

/// The hash before the first.
pub(crate) const GENESIS: [u8; 32] = [0; 32];

/// One entry, as hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) previous: [u8; 32],
    pub(crate) app: AppId,
    pub(crate) version: Version,
    pub(crate) id: ReleaseId,
    pub(crate) slug: Option<SlugId>,
    pub(crate) reason: Reason,
    pub(crate) by: UserId,
    pub(crate) created_at: Timestamp,
    pub(crate) config_digest: [u8; 32],
}

impl Entry {
    pub(crate) fn hash(&self) -> [u8; 32] {
        let (kind, detail) = reason_text(&self.reason);
        let slug = self.slug.map(|slug| *slug.as_bytes());
        let message = Message::of(b"noon 1: ledger entry")
            .field(&self.previous)
            .field(self.app.as_uuid().as_bytes())
            .field(&self.version.get().to_be_bytes())
            .field(self.id.as_uuid().as_bytes())
            // Empty is none: a slug has 32 bytes.
            .field(slug.as_ref().map_or(&[], <[u8; 32]>::as_slice))
            .field(kind.as_bytes())
            .field(detail.as_bytes())
            .field(self.reason.to_string().as_bytes())
            .field(self.by.as_uuid().as_bytes())
            .field(&self.created_at.as_micros().to_be_bytes())
            .field(&self.config_digest);
        Sha256::digest(message.0).into()
    }
}

/// A digest of a release's config which says nothing to whoever lacks the key, not even that two
/// releases have the same.
pub(crate) fn config_digest(keys: &Keys, release: ReleaseId, config: &ConfigVars) -> [u8; 32] {
    let start = Message::of(b"noon 1: config").field(release.as_uuid().as_bytes());
    let message = config.iter().fold(start, |message, (key, value)| {
        message
            .field(key.as_str().as_bytes())
            .field(value.expose().as_bytes())
    });
    hmac(&keys.config, &message.0)
}

/// Binds the newest entry to its app: without the key, no one writes another past.
pub(crate) fn head(keys: &Keys, app: AppId, version: Version, hash: &[u8; 32]) -> [u8; 32] {
    let message = Message::of(b"noon 1: head")
        .field(app.as_uuid().as_bytes())
        .field(&version.get().to_be_bytes())
        .field(hash);
    hmac(&keys.head, &message.0)
}

/// Fields, each with its length before it, so that no two lists of fields read the same.
struct Message(Vec<u8>);

impl Message {
    fn of(what: &[u8]) -> Self {
        Self(Vec::with_capacity(512)).field(what)
    }

    fn field(mut self, bytes: &[u8]) -> Self {
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }
}

/// A reason as two columns: its kind, and what that kind has.
pub(crate) fn reason_text(reason: &Reason) -> (&'static str, String) {
    match reason {
        Reason::Created => ("created", String::new()),
        Reason::Deployed(commit) => ("deployed", commit.to_string()),
        Reason::Configured { set, unset } => {
            let set = set.iter().map(|key| format!("+{key}"));
            let unset = unset.iter().map(|key| format!("-{key}"));
            ("configured", set.chain(unset).collect::<Vec<_>>().join(" "))
        }
        Reason::RolledBack(version) => ("rolled back", version.to_string()),
    }
}

/// Reads what [`reason_text`] wrote, and nothing else.
pub(crate) fn parse_reason(kind: &str, detail: &str) -> Option<Reason> {
    let reason = match kind {
        "created" => Reason::Created,
        "deployed" => Reason::Deployed(detail.parse::<Commit>().ok()?),
        "configured" => {
            let keys = |sign: char| -> Option<Vec<ConfigKey>> {
                let words = detail.split(' ').filter_map(|word| word.strip_prefix(sign));
                words.map(|word| word.parse().ok()).collect()
            };
            Reason::Configured {
                set: keys('+')?,
                unset: keys('-')?,
            }
        }
        "rolled back" => Reason::RolledBack(detail.parse().ok()?),
        _ => return None,
    };
    (reason_text(&reason) == (kind_of(kind)?, detail.to_owned())).then_some(reason)
}

fn kind_of(kind: &str) -> Option<&'static str> {
    ["created", "deployed", "configured", "rolled back"]
        .into_iter()
        .find(|k| *k == kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use noon_domain::Secret;
    use uuid::Uuid;

    use super::*;
    use crate::MasterKey;

    fn entry() -> Entry {
        Entry {
            previous: GENESIS,
            app: AppId::from_uuid(Uuid::from_u128(1)),
            version: Version::new(2),
            id: ReleaseId::from_uuid(Uuid::from_u128(3)),
            slug: None,
            reason: Reason::Created,
            by: UserId::from_uuid(Uuid::from_u128(4)),
            created_at: Timestamp::from_micros(5),
            config_digest: [6; 32],
        }
    }

    fn reasons() -> Vec<Reason> {
        let key = |k: &str| k.parse::<ConfigKey>().unwrap();
        vec![
            Reason::Created,
            Reason::Deployed("a".repeat(40).parse().unwrap()),
            Reason::Configured {
                set: vec![key("A"), key("B")],
                unset: vec![key("C")],
            },
            Reason::Configured {
                set: vec![],
                unset: vec![key("C")],
            },
            Reason::Configured {
                set: vec![],
                unset: vec![],
            },
            Reason::RolledBack(Version::new(7)),
        ]
    }

    #[test]
    fn every_reason_survives_its_columns() {
        for reason in reasons() {
            let (kind, detail) = reason_text(&reason);
            assert_eq!(parse_reason(kind, &detail), Some(reason), "{kind} {detail}");
        }
        for (kind, detail) in [
            ("created", "x"),
            ("deployed", ""),
            ("rolled back", "7"),
            ("configured", "A"),
            ("configured", "+A  +B"),
            ("configured", "-A +B"),
            ("", ""),
        ] {
            assert_eq!(parse_reason(kind, detail), None, "{kind} {detail}");
        }
    }

    #[test]
    fn an_entry_has_the_hash_it_always_had() {
        let hash: String = entry().hash().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hash,
            "80876b9fab7efe67167c87e417018b25066da619867c351a3c2139286c1a7e39"
        );
    }

    #[test]
    fn every_field_of_an_entry_is_in_its_hash() {
        let one = entry();
        let mut others = vec![
            Entry {
                previous: [1; 32],
                ..one.clone()
            },
            Entry {
                app: AppId::new(),
                ..one.clone()
            },
            Entry {
                version: Version::new(3),
                ..one.clone()
            },
            Entry {
                id: ReleaseId::new(),
                ..one.clone()
            },
            Entry {
                slug: Some(SlugId::from_bytes([0; 32])),
                ..one.clone()
            },
            Entry {
                by: UserId::new(),
                ..one.clone()
            },
            Entry {
                created_at: Timestamp::from_micros(6),
                ..one.clone()
            },
            Entry {
                config_digest: [7; 32],
                ..one.clone()
            },
        ];
        others.extend(reasons().into_iter().map(|reason| Entry {
            reason,
            ..one.clone()
        }));
        let hashes: std::collections::BTreeSet<_> = others.iter().map(Entry::hash).collect();
        assert_eq!(hashes.len(), others.len(), "two entries have one hash");
    }

    #[test]
    fn a_config_digest_tells_apart_what_a_plain_concatenation_would_not() {
        let keys = Keys::derive(&MasterKey::from_bytes([1; 32]));
        let id = ReleaseId::new();
        let digest = |pairs: &[(&str, &str)]| {
            let pair = |(k, v): &(&str, &str)| (k.parse().unwrap(), Secret::new((*v).to_owned()));
            let vars = ConfigVars::from_map(pairs.iter().map(pair).collect::<BTreeMap<_, _>>());
            config_digest(&keys, id, &vars)
        };
        assert_ne!(digest(&[("A", "BC")]), digest(&[("AB", "C")]));
        assert_ne!(digest(&[("A", "1"), ("B", "")]), digest(&[("A", "1B")]));
        assert_ne!(
            digest(&[]),
            config_digest(&keys, ReleaseId::new(), &ConfigVars::default())
        );
    }
}
