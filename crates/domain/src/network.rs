//! How far an app's processes reach (factor VI), and how far the operator lets them.

use std::fmt;
use std::str::FromStr;

use crate::Hostname;

/// What a process may reach. A later one reaches all that an earlier one does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Network {
    /// Nothing but itself. Requests reach it, through the router.
    None,
    /// The world outside, not this machine's own services and not other apps. An engine that
    /// cannot offer it here starts the process without, and says so once.
    Nat,
    /// All that this machine reaches, the platform's own ports among it: no wall.
    Host,
}

/// What the processes of an app reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The world outside.
    pub network: Network,
    /// Names under which other apps are reached inside, through the router.
    pub links: Vec<Hostname>,
}

impl From<Network> for Reach {
    /// No other app.
    fn from(network: Network) -> Self {
        Self {
            network,
            links: Vec::new(),
        }
    }
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: use nat, none or host")]
pub struct NetworkError(pub String);

impl Network {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::None, Self::Nat, Self::Host];

    /// Its name, as users write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Nat => "nat",
            Self::Host => "host",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| NetworkError(text.chars().take(40).collect()))
    }
}

/// What the operator decided about networks, for all apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// For apps that did not choose.
    pub default: Network,
    /// The most that an app may have.
    pub most: Network,
}

impl NetworkPolicy {
    /// What an app gets that wants this. The operator may have lowered the most since it chose.
    pub fn granted(&self, wanted: Option<Network>) -> Network {
        wanted.unwrap_or(self.default).min(self.most)
    }

    /// Whether an app may choose this.
    pub fn allows(&self, wanted: Network) -> bool {
        wanted <= self.most
    }
}

impl Default for NetworkPolicy {
    /// A way out for all, and no more for anyone.
    fn default() -> Self {
        Self {
            default: Network::Nat,
            most: Network::Nat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_nothing_else_is_a_network() {
        for network in Network::ALL {
            assert_eq!(network.to_string().parse(), Ok(network));
        }
        for bad in ["", "Nat", "egress", "host "] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn an_app_gets_what_it_wants_within_what_the_operator_allows() {
        use Network::{Host, Nat, None as Nothing};
        for (default, most, wanted, expected) in [
            (Nat, Nat, None, Nat),
            (Nat, Nat, Some(Nothing), Nothing),
            (Nat, Nat, Some(Host), Nat),
            (Nat, Host, None, Nat),
            (Nat, Host, Some(Host), Host),
            (Host, Host, None, Host),
            (Host, Host, Some(Nat), Nat),
            (Nothing, Nothing, None, Nothing),
            (Nothing, Nothing, Some(Host), Nothing),
        ] {
            let policy = NetworkPolicy { default, most };
            let granted = policy.granted(wanted);
            assert_eq!(granted, expected, "{policy:?} {wanted:?}");
            assert!(policy.allows(granted));
        }
    }
}
