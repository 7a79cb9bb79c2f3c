//! `noon server`: wires the house. A small parent holds the listeners and runs three roles of this
//! same binary, each of which may be killed at any instant.

mod banner;
mod control;
mod data;
pub mod doctor;
mod handover;
mod keys;
mod logs;
mod parent;
mod role;
mod router;
mod safety;
mod settings;
mod signals;

pub use parent::{ServerArgs, serve};
pub use role::{RoleArgs, play};

/// Why the server did not start, or stopped. One sentence that names the place and the mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServerError(pub String);

impl ServerError {
    /// An act that failed, on what, and why.
    fn failed(act: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self(format!("{act}: {why}"))
    }
}
