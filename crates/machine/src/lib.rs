//! The engine of this machine (factors VI, VIII and IX): plan, launch, adopt, supervise.
//!
//! It is told what an app should look like and makes it so. [`plan`] decides what to start, await
//! and retire; [`supervise`] decides what follows from what happens to one process; both are pure.
//! Around them one small task keeps each process: it launches it inside its walls through
//! `noon-sandbox`, asks its port or its health check whether it is ready, goes on asking where the
//! app declares it, restarts it when it crashes or no longer answers well, and stops it
//! with SIGTERM, grace and SIGKILL.
//!
//! Invariants:
//! - The new stands beside the old until all of it is ready; then the old leaves the router, is
//!   drained, and only then told to stop. A release that does not boot changes nothing.
//! - Processes belong to their shims, not to this crate: dropping a [`Machine`] stops none, and
//!   [`Machine::adopt`] takes all of them over, with no restart and nothing started twice.
//! - What this crate must remember stands in the labels of running sandboxes; the one file it
//!   writes says which places once stood, so that a crash is not taken for a failed deploy.
//! - A secret goes into a process's environment and nowhere else.
//!
//! Deliberately absent: releases, formations and who may change them (`control`), requests
//! (`router`), what processes print (`logs`), system calls that make walls (`sandbox`), SQL.

mod address;
mod adopt;
mod convergence;
mod egress;
mod environment;
mod error;
mod house;
mod judge;
mod keeper;
mod label;
mod launch;
mod live;
mod machine;
mod one_off;
mod outputs;
pub mod plan;
mod ports;
mod post;
mod remarks;
mod room_left;
mod rooms;
mod settings;
mod settled;
mod stdio;
pub mod supervise;
mod visit;

pub use address::{LINK_PORT, forget_namespace, listen_inside, socket_for};
pub use adopt::Adopted;
pub use error::Error;
pub use machine::Machine;
pub use outputs::{Output, OutputScan};
pub use settings::{DrainedFn, Hooks, Settings};
pub use supervise::Rules;

/// The shim program, to be kept ready and started once per process.
pub const SHIM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/noon-shim"));
