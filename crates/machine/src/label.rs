//! The label that every sandbox of ours carries: what a new machine must know to take it over.

use std::path::PathBuf;
use std::time::Duration;

use noon_domain::{
    AppId, AppName, HealthCheck, HealthChecks, ProcessId, ProcessName, Reach, ReleaseId, Rhythm,
    Size, Timeout, Timeouts, Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// What the process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Part of a formation.
    Formation,
    /// A one-off, of which no one waits for the output: it outlives its caller.
    Detached,
    /// A one-off, a release phase or a build step with a caller at the other end.
    Attended,
}

/// A process in words that outlive this machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which run this is.
    pub process: ProcessId,
    /// Whose.
    pub app: AppId,
    /// The app's name.
    pub app_name: AppName,
    /// Its place.
    pub name: ProcessName,
    /// What it is for.
    pub role: Role,
    /// Its release; a one-off's has no id.
    pub release: Option<(Option<ReleaseId>, Version)>,
    /// The command.
    pub command: String,
    /// Its size; a label of before there were sizes has none, nor has a build step's.
    pub size: Option<Size>,
    /// How long it may take, as was set when it was started.
    pub timeouts: Timeouts,
    /// How it is judged, beside its port.
    pub health: HealthChecks,
    /// When it was started.
    pub started_at: Timestamp,
    /// How long it may live from then on.
    pub lifetime: Option<Duration>,
    /// Its `$PORT`.
    pub port: u16,
    /// Whether the port is one of this machine, and not of a namespace of its own.
    pub on_host: bool,
    /// Its number on the way out to the world, if it has one.
    pub egress: Option<u32>,
    /// What it reaches; an older noon did not write that down.
    pub reach: Option<Reach>,
    /// A directory of work that ends with it.
    pub scratch: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    process: Uuid,
    app: Uuid,
    app_name: String,
    name: String,
    role: Role,
    release_id: Option<Uuid>,
    release_version: Option<u32>,
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_timeout: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_timeout: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot_check: Option<WrittenCheck>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live_check: Option<WrittenCheck>,
    started_at: i64,
    #[serde(default)]
    lifetime_micros: Option<u64>,
    port: u16,
    on_host: bool,
    egress: Option<u32>,
    #[serde(default)]
    network: Option<String>,
    #[serde(default)]
    links: Vec<String>,
    scratch: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct WrittenCheck {
    path: String,
    timeout: u32,
    attempts: u32,
    wait: u32,
}

impl From<&HealthCheck> for WrittenCheck {
    fn from(check: &HealthCheck) -> Self {
        let Rhythm {
            timeout,
            attempts,
            wait,
        } = check.rhythm();
        Self {
            path: check.path().to_owned(),
            timeout,
            attempts,
            wait,
        }
    }
}

impl WrittenCheck {
    fn read(self) -> Option<HealthCheck> {
        let rhythm = Rhythm {
            timeout: self.timeout,
            attempts: self.attempts,
            wait: self.wait,
        };
        HealthCheck::new(&self.path, rhythm).ok()
    }
}

const VERSION: u32 = 1;

impl Label {
    /// The label as the sandbox keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written {
            version: VERSION,
            process: self.process.as_uuid(),
            app: self.app.as_uuid(),
            app_name: self.app_name.to_string(),
            name: self.name.to_string(),
            role: self.role,
            release_id: self.release.and_then(|(id, _)| id).map(|id| id.as_uuid()),
            release_version: self.release.map(|(_, version)| version.get()),
            command: self.command.clone(),
            size: self.size.map(|size| size.to_string()),
            boot_timeout: self.timeouts.boot.map(Timeout::as_secs),
            stop_timeout: self.timeouts.stop.map(Timeout::as_secs),
            boot_check: self.health.boot.as_ref().map(Into::into),
            live_check: self.health.live.as_ref().map(Into::into),
            started_at: self.started_at.as_micros(),
            lifetime_micros: self
                .lifetime
                .map(|life| u64::try_from(life.as_micros()).unwrap_or(u64::MAX)),
            port: self.port,
            on_host: self.on_host,
            egress: self.egress,
            network: self.reach.as_ref().map(|reach| reach.network.to_string()),
            links: self.reach.iter().flat_map(links).collect(),
            scratch: self.scratch.clone(),
        };
        serde_json::to_vec(&written).expect("a label is plain data with text for keys")
    }

    /// Reads a label back.
    ///
    /// # Errors
    /// [`Error::BadLabel`] when it is not one of ours.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |why: String| Error::BadLabel { why };
        let written: Written = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        if written.version != VERSION {
            return Err(bad(format!("it is of version {}", written.version)));
        }
        let release = written.release_version.map(|version| {
            let id = written.release_id.map(ReleaseId::from_uuid);
            (id, Version::new(version))
        });
        let reach = reach(&written).map_err(bad)?;
        Ok(Self {
            process: ProcessId::from_uuid(written.process),
            app: AppId::from_uuid(written.app),
            app_name: written
                .app_name
                .parse()
                .map_err(|_| bad(written.app_name.clone()))?,
            name: written
                .name
                .parse()
                .map_err(|_| bad(written.name.clone()))?,
            role: written.role,
            release,
            command: written.command,
            size: written.size.and_then(|size| size.parse().ok()),
            timeouts: Timeouts {
                boot: written.boot_timeout.and_then(timeout),
                stop: written.stop_timeout.and_then(timeout),
            },
            health: HealthChecks {
                boot: written.boot_check.and_then(WrittenCheck::read),
                live: written.live_check.and_then(WrittenCheck::read),
            },
            started_at: Timestamp::from_micros(written.started_at),
            lifetime: written.lifetime_micros.map(Duration::from_micros),
            port: written.port,
            on_host: written.on_host,
            egress: written.egress,
            reach,
            scratch: written.scratch,
        })
    }
}

fn links(reach: &Reach) -> impl Iterator<Item = String> {
    reach.links.iter().map(ToString::to_string)
}

fn reach(written: &Written) -> Result<Option<Reach>, String> {
    let Some(network) = &written.network else {
        return Ok(None);
    };
    let link = |link: &String| link.parse().map_err(|_| link.clone());
    Ok(Some(Reach {
        network: network.parse().map_err(|_| network.clone())?,
        links: written.links.iter().map(link).collect::<Result<_, _>>()?,
    }))
}

fn timeout(seconds: u64) -> Option<Timeout> {
    Timeout::from_secs(seconds).ok()
}

#[cfg(test)]
mod tests {
    use noon_domain::Network;

    use super::*;

    #[test]
    fn a_label_reads_back_as_it_was_written() {
        let label = Label {
            process: ProcessId::new(),
            app: AppId::new(),
            app_name: "demo".parse().unwrap(),
            name: "web.1".parse().unwrap(),
            role: Role::Formation,
            release: Some((Some(ReleaseId::new()), Version::new(3))),
            command: "run \"x\" ünï".to_owned(),
            size: Some(Size::Standard2X),
            timeouts: Timeouts {
                boot: "2m".parse().ok(),
                stop: None,
            },
            health: HealthChecks {
                boot: None,
                live: HealthCheck::new("/up", Rhythm::default()).ok(),
            },
            started_at: Timestamp::now(),
            lifetime: Some(Duration::from_secs(60)),
            port: 5000,
            on_host: false,
            egress: Some(7),
            reach: Some(Reach {
                network: Network::Nat,
                links: vec!["a.internal".parse().unwrap()],
            }),
            scratch: Some("/tmp/x".into()),
        };
        assert_eq!(Label::from_bytes(&label.to_bytes()).unwrap(), label);
    }

    #[test]
    fn a_label_of_an_older_noon_says_nothing_of_what_is_reached() {
        let id = Uuid::new_v4();
        let older = format!(
            r#"{{"version":1,"process":"{id}","app":"{id}","app_name":"demo","name":"web.1",
            "role":"formation","release_id":null,"release_version":1,"command":"run",
            "started_at":1,"port":5000,"on_host":false,"egress":2,"scratch":null}}"#
        );
        assert_eq!(Label::from_bytes(older.as_bytes()).unwrap().reach, None);
    }

    #[test]
    fn a_label_of_before_there_were_sizes_is_read_still() {
        let label = br#"{"version":1,"process":"6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "app":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","app_name":"demo","name":"web.1",
            "role":"formation","release_id":null,"release_version":null,"command":"run",
            "started_at":1,"port":5000,"on_host":false,"egress":null,"scratch":null}"#;
        let label = Label::from_bytes(label).unwrap();
        assert_eq!((label.size, label.timeouts), (None, Timeouts::default()));
        assert!(label.health.is_empty());
    }

    #[test]
    fn what_is_no_label_of_ours_is_refused() {
        for bytes in [&b""[..], b"{}", b"\xff", b"{\"version\":2}"] {
            assert!(Label::from_bytes(bytes).is_err());
        }
    }
}
