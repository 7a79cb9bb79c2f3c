//! Log sessions.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Time;

/// A log session, as `POST /apps/X/log-sessions` answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSession {
    /// When it was made.
    pub created_at: Time,
    /// The identity.
    pub id: Uuid,
    /// Where the lines are, once, for six minutes.
    pub logplex_url: String,
    /// When it was made.
    pub updated_at: Time,
}

/// The body of `POST /apps/X/log-sessions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSessionCreate {
    /// Only this process, or this type.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        alias = "dyno_name",
        alias = "type"
    )]
    pub dyno: Option<String>,
    /// How many lines of history; 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<usize>,
    /// Only `app`, or only `heroku`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether to go on with new lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<bool>,
}
