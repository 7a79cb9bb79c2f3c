//! Apps: one codebase, one deploy of it.

use std::fmt;
use std::str::FromStr;

use crate::{AppId, Network, StackName, Timestamp, UserId};

/// An app: one deploy of one codebase, with its own config, releases and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its identity.
    pub id: AppId,
    /// Its name, unique on this platform and part of its host name.
    pub name: AppName,
    /// Who made it.
    pub owner: UserId,
    /// The stack on which new builds are made.
    pub stack: StackName,
    /// A small number, unique among the apps of this platform, from which an engine derives
    /// the app's user id.
    pub slot: u32,
    /// Whether the router answers for it with the maintenance page.
    pub maintenance: bool,
    /// What its processes may reach, where that was chosen for it.
    pub network: Option<Network>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// When a release of it last became current.
    pub released_at: Option<Timestamp>,
}

/// A valid app name: `[a-z][a-z0-9-]{2,29}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AppName(String);

/// Why a text is no app name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no app name: use 3 to 30 lower-case letters, digits and dashes, a letter first")]
pub struct AppNameError(pub String);

impl AppName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if first && (3..=30).contains(&text.len()) && text.bytes().all(rest) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AppNameError(text.chars().take(60).collect()))
        }
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_three_to_thirty_of_the_allowed_characters() {
        for good in ["abc", "a-1", "my-app", &"a".repeat(30)] {
            assert_eq!(AppName::from_str(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "ab",
            "1abc",
            "-abc",
            "Abc",
            "a_b",
            "a.b",
            "a b",
            "äbc",
            &"a".repeat(31),
        ] {
            assert!(AppName::from_str(bad).is_err(), "{bad:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_pattern_makes_is_a_name(name in "[a-z][a-z0-9-]{2,29}") {
            prop_assert!(AppName::from_str(&name).is_ok());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = AppName::from_str(&text);
        }
    }
}
