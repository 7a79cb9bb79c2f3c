//! Why a push went no further, as it travels inside this room.

use crate::{Error, Refusal};

/// Why a push went no further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// It may not be deployed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// noon could not look at it.
    #[error(
        "noon could not take this push in and nothing was changed; try again, then see noon's own log"
    )]
    Broken(#[from] Error),
    /// It was deployed and that failed.
    #[error(transparent)]
    NotDeployed(noon_control::Error),
}
