//! Processes, which Heroku's API calls dynos.

use std::collections::BTreeMap;

use noon_domain::{Process, ProcessState};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Named, Time};

/// A release by id and number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynoRelease {
    /// The identity.
    pub id: Uuid,
    /// The number.
    pub version: u32,
}

/// A process, as `GET /apps/X/dynos` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dyno {
    /// Whose.
    pub app: Named,
    /// Where to attach to it, once.
    pub attach_url: Option<String>,
    /// The command.
    pub command: String,
    /// When it was started.
    pub created_at: Time,
    /// The identity.
    pub id: Uuid,
    /// Its name, as in `web.1`.
    pub name: String,
    /// The release that it runs.
    pub release: DynoRelease,
    /// Its size.
    pub size: String,
    /// Its state: `crashed`, `down`, `idle`, `starting` or `up`.
    pub state: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// When its state last changed.
    pub updated_at: Time,
}

/// What the API knows of a process beside the process.
#[derive(Clone, Debug)]
pub struct DynoContext {
    /// Whose.
    pub app: Named,
    /// The id of its release.
    pub release_id: Uuid,
    /// Where to attach.
    pub attach_url: Option<String>,
}

/// A state in the five words that clients of the API know.
pub const fn wire_state(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Starting => "starting",
        ProcessState::Up | ProcessState::Draining => "up",
        ProcessState::Stopping => "down",
        ProcessState::Crashed => "crashed",
    }
}

impl From<(Process, DynoContext)> for Dyno {
    fn from((process, context): (Process, DynoContext)) -> Self {
        let Process {
            id,
            app: _, // shown by the context, with its name
            name,
            release,
            command,
            size,
            state,
            started_at,
            updated_at,
            boot: _,       // shown below /noon/
            expires_at: _, // shown below /noon/
            endpoint: _,   // the router's affair
            inside: _,     // the same
        } = process;
        let DynoContext {
            app,
            release_id,
            attach_url,
        } = context;
        let version = release.map_or(0, noon_domain::Version::get);
        Self {
            app,
            attach_url,
            command,
            created_at: started_at.into(),
            id: id.as_uuid(),
            name: name.to_string(),
            release: DynoRelease {
                id: release_id,
                version,
            },
            size: size.unwrap_or_default().to_string(),
            state: wire_state(state).to_owned(),
            kind: name.kind.to_string(),
            updated_at: updated_at.into(),
        }
    }
}

/// The body of `POST /apps/X/dynos`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DynoCreate {
    /// The command, for a shell.
    pub command: String,
    /// Whether someone will attach.
    #[serde(default)]
    pub attach: bool,
    /// More environment: the terminal's, as a rule.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How large it may grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Pipes, even where there could be a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_no_tty: Option<bool>,
    /// How long it may live, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<u64>,
}
