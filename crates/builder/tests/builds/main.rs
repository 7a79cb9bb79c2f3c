//! Whole builds, with real package managers behind real walls.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail a test")]

mod node;
mod plain;
mod python;
mod support;
