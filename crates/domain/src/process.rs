//! Processes (factors VI to IX): what runs, where it is reached, and what state it is in.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::{AppId, ProcessId, Timestamp, Version};

/// A valid process type: `[A-Za-z0-9_-]{1,63}`, as in a Procfile.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcessType(String);

/// Why a text is no process type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no process type: use 1 to 63 letters, digits, dashes and underscores")]
pub struct ProcessTypeError(pub String);

impl ProcessType {
    /// The type that the router sends requests to.
    pub fn web() -> Self {
        Self("web".to_owned())
    }

    /// The type that runs once before a release becomes current.
    pub fn release() -> Self {
        Self("release".to_owned())
    }

    /// The type of one-offs.
    pub fn run() -> Self {
        Self("run".to_owned())
    }

    /// The type of build steps.
    pub fn build() -> Self {
        Self("build".to_owned())
    }

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the router sends requests to it, and it must answer on `$PORT` to be ready.
    pub fn is_web(&self) -> bool {
        self.0 == "web"
    }

    /// Whether it is the release phase, which is never part of a formation.
    pub fn is_release(&self) -> bool {
        self.0 == "release"
    }
}

impl FromStr for ProcessType {
    type Err = ProcessTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=63).contains(&text.len()) && text.bytes().all(ok) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ProcessTypeError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in a formation, or a one-off: `web.1`, `run.4321`. It is also `$DYNO`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProcessName {
    /// The type.
    pub kind: ProcessType,
    /// Its number, from 1.
    pub ordinal: u32,
}

/// Why a text is no process name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no process name: write a type and a number, as in web.1")]
pub struct ProcessNameError(pub String);

impl FromStr for ProcessName {
    type Err = ProcessNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ProcessNameError(text.chars().take(80).collect());
        let (kind, ordinal) = text.rsplit_once('.').ok_or_else(bad)?;
        let ordinal: u32 = ordinal.parse().map_err(|_| bad())?;
        if ordinal == 0 {
            return Err(bad());
        }
        Ok(Self {
            kind: kind.parse().map_err(|_| bad())?,
            ordinal,
        })
    }
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.ordinal)
    }
}

/// The state of a process, in Heroku's words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProcessState {
    /// Started; not yet known to be ready.
    Starting,
    /// Ready: its port answers, or, without a port, it stayed alive for the settling time.
    Up,
    /// Still running and finishing what it has, but gets no new requests.
    Draining,
    /// Was sent SIGTERM.
    Stopping,
    /// Ended by itself; waits for its next start.
    Crashed,
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Crashed => "crashed",
        })
    }
}

/// One process as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which run this is.
    pub id: ProcessId,
    /// Whose.
    pub app: AppId,
    /// Its place.
    pub name: ProcessName,
    /// The release that it runs; `None` for build steps.
    pub release: Option<Version>,
    /// The command, as the Procfile or the user gave it.
    pub command: String,
    /// How large it may grow; `None` for a build step.
    pub size: Option<crate::Size>,
    /// Its state.
    pub state: ProcessState,
    /// When it was started.
    pub started_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
    /// How long it took from start to ready.
    pub boot: Option<Duration>,
    /// When its time to live is over, if it has one: it is stopped then.
    pub expires_at: Option<Timestamp>,
    /// Where requests reach it; only web processes that are up or draining have one.
    pub endpoint: Option<Endpoint>,
    /// Where the router can listen for what it asks of other apps; only of an app with links.
    pub inside: Option<Address>,
}

/// How the router reaches one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The process.
    pub process: ProcessId,
    /// Its name, for the router's log line.
    pub name: ProcessName,
    /// Where it listens.
    pub address: Address,
}

/// Where a process listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// On a port inside the network namespace that the process's shim hands out.
    Namespace {
        /// The directory of the shim.
        shim: PathBuf,
        /// The port inside the namespace.
        port: u16,
    },
    /// On an address that this machine reaches as it is.
    Tcp(SocketAddr),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_a_type_and_a_number_from_one() {
        let name: ProcessName = "web-api.12".parse().unwrap();
        assert_eq!((name.kind.as_str(), name.ordinal), ("web-api", 12));
        for bad in [
            "web", "web.", ".1", "web.0", "web.-1", "we b.1", "web.1.x", "../x.1",
        ] {
            assert!(ProcessName::from_str(bad).is_err(), "{bad:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_it_prints(kind in "[A-Za-z0-9_-]{1,63}", ordinal in 1u32..) {
            let name = ProcessName { kind: kind.parse().unwrap(), ordinal };
            prop_assert_eq!(name.to_string().parse::<ProcessName>().unwrap(), name);
        }
    }
}
