//! Errors as the API writes them.

use serde::{Deserialize, Serialize};

/// The body of every answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What kind of error, for machines: `not_found`, `invalid_params`, …
    pub id: String,
    /// One sentence for people.
    pub message: String,
    /// What kind of thing was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}
