//! Config vars (factor III): what varies between deploys, in the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::Secret;

/// The most that an app's config vars may hold, keys and values together, in bytes.
pub const MAX_CONFIG_BYTES: usize = 64 * 1024;

/// Prefixes that the platform keeps for itself.
const RESERVED: [&str; 2] = ["NOON_", "HEROKU_"];
/// Names that the platform sets for every process.
const PLATFORM: [&str; 3] = ["PORT", "DYNO", "HOME"];

/// A valid name of a config var: `[A-Za-z_][A-Za-z0-9_]*`, not reserved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConfigKey(String);

/// Why config was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The name breaks the pattern.
    #[error("{0:?} is no config var name: use letters, digits and underscores, no digit first")]
    BadKey(String),
    /// The name is the platform's.
    #[error("{0} is reserved for the platform: choose another name")]
    Reserved(String),
    /// The value cannot be in an environment.
    #[error("the value of {0} holds a NUL byte, which no environment can carry")]
    NulInValue(String),
    /// Too much in all.
    #[error("config vars would hold {0} bytes, and may hold {MAX_CONFIG_BYTES} in all")]
    TooLarge(usize),
}

impl ConfigKey {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConfigKey {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(ConfigError::BadKey(text.chars().take(60).collect()));
        }
        if RESERVED.iter().any(|p| text.starts_with(p)) || PLATFORM.contains(&text) {
            return Err(ConfigError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A change of config vars: a value sets, `None` removes.
pub type ConfigChange = BTreeMap<ConfigKey, Option<Secret<String>>>;

/// All config vars of one release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigVars(BTreeMap<ConfigKey, Secret<String>>);

impl ConfigVars {
    /// Takes vars that were checked before, as the store gives them back.
    pub const fn from_map(vars: BTreeMap<ConfigKey, Secret<String>>) -> Self {
        Self(vars)
    }

    /// Looks one up.
    pub fn get(&self, key: &ConfigKey) -> Option<&Secret<String>> {
        self.0.get(key)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigKey, &Secret<String>)> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The vars after `change`. Equal to `self` when the change changes nothing.
    ///
    /// # Errors
    /// [`ConfigError::NulInValue`] and [`ConfigError::TooLarge`].
    pub fn changed(&self, change: &ConfigChange) -> Result<Self, ConfigError> {
        let mut next = self.0.clone();
        for (key, value) in change {
            match value {
                Some(value) if value.expose().contains('\0') => {
                    return Err(ConfigError::NulInValue(key.to_string()));
                }
                Some(value) => {
                    next.insert(key.clone(), value.clone());
                }
                None => {
                    next.remove(key);
                }
            }
        }
        let bytes = next.iter().map(|(k, v)| k.0.len() + v.expose().len()).sum();
        if bytes > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge(bytes));
        }
        Ok(Self(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ConfigKey {
        text.parse().unwrap()
    }

    fn set(text: &str, value: &str) -> (ConfigKey, Option<Secret<String>>) {
        (key(text), Some(Secret::new(value.to_owned())))
    }

    #[test]
    fn keys_follow_the_pattern_and_spare_the_platforms_names() {
        for good in ["A", "_x", "DATABASE_URL", "a1"] {
            assert!(ConfigKey::from_str(good).is_ok(), "{good}");
        }
        for bad in ["", "1A", "A-B", "A B", "Ä", "A=B"] {
            assert!(
                matches!(ConfigKey::from_str(bad), Err(ConfigError::BadKey(_))),
                "{bad}"
            );
        }
        for taken in ["NOON_X", "HEROKU_X", "PORT", "DYNO"] {
            assert!(
                matches!(ConfigKey::from_str(taken), Err(ConfigError::Reserved(_))),
                "{taken}"
            );
        }
    }

    #[test]
    fn a_change_sets_and_removes_and_leaves_the_rest() {
        let before = ConfigVars::default()
            .changed(&ConfigChange::from([set("A", "1"), set("B", "2")]))
            .unwrap();
        let after = before
            .changed(&ConfigChange::from([(key("A"), None), set("C", "3")]))
            .unwrap();
        let names: Vec<_> = after.iter().map(|(k, _)| k.as_str()).collect();
        assert_eq!(names, ["B", "C"]);
    }

    #[test]
    fn config_holds_64_kib_and_no_byte_more() {
        let fits = "x".repeat(MAX_CONFIG_BYTES - 1);
        assert!(
            ConfigVars::default()
                .changed(&ConfigChange::from([set("A", &fits)]))
                .is_ok()
        );
        let over = "x".repeat(MAX_CONFIG_BYTES);
        assert_eq!(
            ConfigVars::default().changed(&ConfigChange::from([set("A", &over)])),
            Err(ConfigError::TooLarge(MAX_CONFIG_BYTES + 1))
        );
    }

    #[test]
    fn a_value_with_nul_is_refused_by_name_and_not_by_value() {
        let error = ConfigVars::default()
            .changed(&ConfigChange::from([set("TOKEN", "hun\0ter")]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("TOKEN") && !error.contains("hun"), "{error}");
    }
}
