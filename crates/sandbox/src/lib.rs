//! The walls around one process, and the shim that keeps it (factor VI: processes share nothing).
//!
//! A launcher sends a [`Spec`] to a fresh shim, a tiny program of its own. The shim leaves the
//! launcher behind, takes hold of the directories that the process may see, and forks init into
//! namespaces of its own; init mounts, the app makes its network, and with no capability, no way
//! to new privileges and an allow-list of system calls the command begins. From then on the shim
//! waits: it holds the output pipe and the end, and answers whoever asks at `dir/sock`. With
//! [`Shim::exec`] it lets a further command in, under the same lock-down.
//!
//! Invariants:
//! - The app survives its launcher; it never survives its shim: init is tied to the shim by the
//!   kernel, and everything inside to init.
//! - How a process ended is on disk before anyone is told.
//! - Uid 0 inside the walls is never uid 0 outside.
//! - A command that is let in ends with the app, and shows it nothing on the way.
//! - The walls are two layers: namespaces, mounts and the filter of system calls, and in them,
//!   where the kernel has it, Landlock, which holds by itself. Only the app has the second: a
//!   command that is let in by the platform must see and signal the app.
//! - Where the kernel counts memory it rings or is asked seldom: an idle process costs no CPU.
//! - What the app can write is never opened by a path: its files lie at `/app`, and the platform
//!   holds descriptors taken before the app lived.
//! - Nothing is left behind: mounts and namespaces die with their processes, cgroups are removed
//!   by the shim or, after its death, by [`clear`].
//!
//! Deliberately absent: threads, an async runtime, restart and readiness (the machine's affair),
//! the wiring of networks to the outside, and reading what the process prints.
#![expect(
    unsafe_code,
    reason = "walls are made of system calls; all of them live in this crate"
)]

mod cgroup;
mod check;
mod client;
mod codec;
mod end;
mod ended;
mod envelope;
mod error;
mod exec;
mod launch;
mod netns;
mod notice;
#[cfg(test)]
mod previous;
mod probe;
mod program;
mod protocol;
mod pty;
mod rootless;
mod seccomp;
#[doc(hidden)]
pub mod shim;
mod spec;
mod stack;
mod sys;

pub use client::{Shim, Status};
pub use end::end;
pub use ended::{Ended, read_exit};
pub use error::Error;
pub use exec::Exec;
pub use launch::{clear, launch};
pub use netns::socket_in;
pub use notice::Notice;
pub use probe::{Probe, probe};
pub use program::ShimProgram;
pub use pty::{Pty, PtySize, open_pty, resize_pty};
pub use rootless::{Mode, enter_rootless, is_rootless, resume_rootless};
pub use spec::{AppDir, Bind, Cpu, ExecSpec, Limits, Net, Spec, Stdio, System, Upper};
pub use stack::stack_name;
