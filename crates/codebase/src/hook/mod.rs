//! The `pre-receive` hook: what passes between the program that git starts and the control role.
//!
//! Git starts the platform's script, the script becomes `noon git-hook`, and that connects to the
//! control role's socket. It proves with a secret, made for this one push, which push it belongs
//! to, says where git keeps the push's objects and which refs shall move, and prints every line
//! that comes back until the verdict does.
//!
//! Request: the secret and three values of git's, each ended by NUL, then git's ref lines as they
//! are, to the end. Answer: lines, each led by `>`; the last is `=0` (take it) or `=1` (refuse).

mod client;
mod listener;
mod message;

pub use client::run;
pub(crate) use listener::{Call, Expected, Listener};

/// Names the control role's socket to the hook.
pub(crate) const SOCKET: &str = "NOON_HOOK_SOCKET";

/// Proves to the control role which push a hook belongs to.
pub(crate) const SECRET: &str = "NOON_HOOK_SECRET";

/// What git tells a hook of the place of the push's objects, in the order of the request.
const OBJECTS: [&str; 3] = [
    "GIT_QUARANTINE_PATH",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
];
