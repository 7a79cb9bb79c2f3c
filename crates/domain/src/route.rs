//! Routes (factor VII): which host leads to which processes.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{AppId, AppName, DomainId, Endpoint, Linked, Timestamp};

/// A host name as requests carry it, in lower case, without port or trailing dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hostname(String);

/// Why a text is no host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host name: use labels of letters, digits and dashes, as in www.example.com")]
pub struct HostnameError(pub String);

impl Hostname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of an app among those that are linked to it.
    pub fn internal(app: &AppName) -> Self {
        Self(format!("{app}.internal"))
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_suffix('.').unwrap_or(text);
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if (1..=253).contains(&host.len()) && host.split('.').all(label) {
            Ok(Self(host.to_ascii_lowercase()))
        } else {
            Err(HostnameError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A custom domain that leads to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomDomain {
    /// Its identity.
    pub id: DomainId,
    /// The app.
    pub app: AppId,
    /// The host name, unique on this platform.
    pub hostname: Hostname,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What answers for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The app.
    pub app: AppId,
    /// Its name.
    pub app_name: AppName,
    /// The ready web processes, or why there is none.
    pub ready: Result<Vec<Endpoint>, NoBackend>,
}

/// Why no process can answer. Each is one of Heroku's H codes and a page of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NoBackend {
    /// No app has this host.
    UnknownHost,
    /// The app has no release with code yet (H81).
    Blank,
    /// The formation has no web process (H14).
    NoProcesses,
    /// All web processes have crashed (H10).
    Crashed,
    /// Web processes are starting and none is ready yet (H20).
    Booting,
    /// The app is in maintenance (H80).
    Maintenance,
}

/// All routes at one moment. Made whole, swapped whole, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// Rises with each table that control makes.
    pub generation: u64,
    hosts: HashMap<Hostname, Arc<Backend>>,
    links: HashMap<AppId, Linked>,
}

impl RouteTable {
    /// A table of these hosts.
    pub fn new(generation: u64, hosts: impl IntoIterator<Item = (Hostname, Arc<Backend>)>) -> Self {
        Self {
            generation,
            hosts: hosts.into_iter().collect(),
            links: HashMap::new(),
        }
    }

    /// The same table, with these apps linked to others.
    #[must_use]
    pub fn with_links(mut self, links: impl IntoIterator<Item = Linked>) -> Self {
        self.links = links.into_iter().map(|it| (it.app, it)).collect();
        self
    }

    /// The apps that are linked to others.
    pub fn links(&self) -> impl Iterator<Item = &Linked> {
        self.links.values()
    }

    /// The app that answers for a host, ready or not.
    ///
    /// # Errors
    /// [`NoBackend::UnknownHost`].
    pub fn find(&self, host: &str) -> Result<&Arc<Backend>, NoBackend> {
        // The hot path: hosts arrive in lower case as a rule, and then nothing is allocated.
        let host = host.strip_suffix('.').unwrap_or(host);
        let found = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            self.hosts.get(host.to_ascii_lowercase().as_str())
        } else {
            self.hosts.get(host)
        };
        found.ok_or(NoBackend::UnknownHost)
    }

    /// All hosts and what answers for them.
    pub fn iter(&self) -> impl Iterator<Item = (&Hostname, &Arc<Backend>)> {
        self.hosts.iter()
    }

    /// Whether any host leads to this process.
    pub fn leads_to(&self, process: crate::ProcessId) -> bool {
        let holds = |b: &Arc<Backend>| {
            b.ready
                .as_ref()
                .is_ok_and(|ready| ready.iter().any(|e| e.process == process))
        };
        self.hosts.values().any(holds)
    }
}

impl std::borrow::Borrow<str> for Hostname {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_found_in_any_case_and_with_its_trailing_dot() {
        let backend = Arc::new(Backend {
            app: AppId::new(),
            app_name: "demo".parse().unwrap(),
            ready: Err(NoBackend::Blank),
        });
        let table = RouteTable::new(1, [("demo.localhost".parse().unwrap(), backend.clone())]);
        for host in ["demo.localhost", "Demo.LocalHost", "demo.localhost."] {
            assert_eq!(table.find(host), Ok(&backend), "{host}");
        }
        assert_eq!(table.find("other.localhost"), Err(NoBackend::UnknownHost));
    }

    #[test]
    fn host_names_are_labels() {
        for good in ["a", "www.example.com", "A.B.", "x_1.y"] {
            assert!(Hostname::from_str(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a b",
            "a:1",
            "*.a",
            &"a".repeat(64),
        ] {
            assert!(Hostname::from_str(bad).is_err(), "{bad:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn hash_and_lookup_agree(host in "[a-zA-Z0-9]{1,10}(\\.[a-zA-Z0-9]{1,10}){0,3}") {
            let name: Hostname = host.parse().unwrap();
            let backend = Arc::new(Backend {
                app: AppId::new(),
                app_name: "demo".parse().unwrap(),
                ready: Err(NoBackend::Blank),
            });
            let table = RouteTable::new(1, [(name, backend)]);
            prop_assert!(table.find(&host).is_ok());
        }
    }
}
