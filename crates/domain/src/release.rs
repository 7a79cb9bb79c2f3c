//! Releases (factor V): slug and config, numbered, append-only, chained.

use std::fmt;
use std::str::FromStr;

use crate::{AppId, Commit, ConfigKey, ReleaseId, SlugId, Timestamp, UserId};

/// A release's number within its app: `v1`, `v2`, …; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(u32);

impl Version {
    /// The number of an app's first release.
    pub const FIRST: Self = Self(1);

    /// Takes a number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for Version {
    type Err = std::num::ParseIntError;

    /// Reads `v12` or `12`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('v').unwrap_or(text).parse().map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// Why a release was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The app was created.
    Created,
    /// A build made a new slug.
    Deployed(Commit),
    /// Config vars changed: these were set, these removed. Names only.
    Configured {
        /// Set, by name.
        set: Vec<ConfigKey>,
        /// Removed, by name.
        unset: Vec<ConfigKey>,
    },
    /// An earlier release was taken up again.
    RolledBack(Version),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("Initial release"),
            Self::Deployed(commit) => write!(f, "Deploy {}", commit.short()),
            Self::Configured { set, unset } => write_configured(f, set, unset),
            Self::RolledBack(version) => write!(f, "Rollback to {version}"),
        }
    }
}

fn write_configured(
    f: &mut fmt::Formatter<'_>,
    set: &[ConfigKey],
    unset: &[ConfigKey],
) -> fmt::Result {
    let names = |keys: &[ConfigKey]| {
        keys.iter()
            .map(ConfigKey::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (set.is_empty(), unset.is_empty()) {
        (false, true) => write!(f, "Set {} config vars", names(set)),
        (true, _) => write!(f, "Remove {} config vars", names(unset)),
        (false, false) => write!(f, "Set {}, remove {} config vars", names(set), names(unset)),
    }
}

/// How a release came out. Kept beside the ledger, whose entries never change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReleaseStatus {
    /// In its release phase or its boot.
    Pending,
    /// Became current.
    Succeeded,
    /// Failed its release phase or its boot, and never became current.
    Failed,
}

impl ReleaseStatus {
    /// The status as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// One entry of an app's ledger, and how it came out. Its config is asked for apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its identity.
    pub id: ReleaseId,
    /// Whose.
    pub app: AppId,
    /// Its number.
    pub version: Version,
    /// What it runs; `None` before the first deploy.
    pub slug: Option<SlugId>,
    /// Why it was made.
    pub reason: Reason,
    /// Who made it.
    pub by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// How it came out.
    pub status: ReleaseStatus,
    /// When it came out so.
    pub updated_at: Timestamp,
    /// Whether it is what the app runs now.
    pub current: bool,
    /// Whether its slug is still kept.
    pub has_slug_kept: bool,
}

impl Release {
    /// Whether a rollback may take it up: it was current once, and its slug is still there.
    pub fn can_be_rolled_back_to(&self) -> bool {
        self.status == ReleaseStatus::Succeeded && self.slug.is_some() && self.has_slug_kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_users_know_them() {
        let key = |k: &str| k.parse::<ConfigKey>().unwrap();
        let commit: Commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
        for (reason, expected) in [
            (Reason::Created, "Initial release"),
            (Reason::Deployed(commit), "Deploy 01234567"),
            (
                Reason::Configured {
                    set: vec![key("A"), key("B")],
                    unset: vec![],
                },
                "Set A, B config vars",
            ),
            (
                Reason::Configured {
                    set: vec![],
                    unset: vec![key("A")],
                },
                "Remove A config vars",
            ),
            (
                Reason::Configured {
                    set: vec![key("A")],
                    unset: vec![key("B")],
                },
                "Set A, remove B config vars",
            ),
            (Reason::RolledBack(Version::new(3)), "Rollback to v3"),
        ] {
            assert_eq!(reason.to_string(), expected);
        }
    }

    #[test]
    fn versions_read_with_and_without_their_letter() {
        assert_eq!("v12".parse(), Ok(Version::new(12)));
        assert_eq!("12".parse(), Ok(Version::new(12)));
        assert!("vv1".parse::<Version>().is_err() && "".parse::<Version>().is_err());
    }
}
