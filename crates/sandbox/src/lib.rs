#![expect(
    unsafe_code,
    reason = "walls are made of system calls; they all live in this crate"
)]
//! The walls around one process (factor VI), and the shim that keeps it.
mod client;
mod ended;
mod error;
mod launch;
mod netns;
mod probe;
mod program;
mod pty;
mod rootless;
mod spec;
mod stack;

pub use client::{Shim, Status};
pub use ended::{Ended, read_exit};
pub use error::Error;
pub use launch::{clear, launch};
pub use netns::socket_in;
pub use probe::{Probe, probe};
pub use program::ShimProgram;
pub use pty::{Pty, PtySize, open_pty, resize_pty};
pub use rootless::{Mode, enter_rootless};
pub use spec::{AppDir, Bind, Limits, Net, Spec, Stdio, System, Upper};
pub use stack::stack_name;
