//! Factor I, codebase: one codebase per app, which arrives by `git push` and can be cloned back.
//!
//! A push is smart HTTP: this room finds out who pushes and whether they may, then runs git's own
//! `receive-pack` on the app's repository with an environment and configuration of the platform's.
//! Git puts what was sent into quarantine and starts the platform's `pre-receive` hook, which is
//! `noon git-hook`. That calls back over a Unix socket, and while git waits for its verdict this
//! room plans what the push comes to, waits for the app's turn, refuses what cannot be deployed,
//! writes the files out and hands them to `Control::deploy`. What the build says runs back through
//! the hook and git's side band to the pusher, line by line.
//!
//! Invariants
//! - The turn is taken when the whole pack is in and ends after git has moved the refs: no two
//!   pushes to one app interleave, and a client that sends slowly keeps nobody waiting.
//! - A refused or failed push leaves nothing: no ref, no object, no file. A push that the server's
//!   own death cut off moves no ref; its quarantine and files are removed at the next start.
//! - What git would refuse after the hook (a ref that moved meanwhile, a shallow history) is
//!   refused before anything is released.
//! - A pusher that leaves while the pack is sent has pushed nothing. One that leaves later
//!   (Ctrl-C, a broken line) has pushed: build and release go on to their end.
//! - A request is read to its end before it is answered, for git reads no answer before.
//! - Files reach the build byte for byte as committed, whatever `.gitattributes` says; symbolic
//!   links as links, which whoever reads the tree must not follow out of it.
//! - No terminal control sequence but colours passes from a build to the pusher.
//!
//! Deliberately absent: building, releasing, the store; SSH; hooks and configuration inside
//! repositories; submodules and Git LFS, whose files are not part of a push; `git gc`.

mod answer;
mod auth;
mod body;
mod checkout;
mod error;
mod git;
pub mod hook;
mod http;
mod inspect;
mod line;
mod plan;
mod push;
mod receive;
mod refusal;
mod repository;
mod service;
mod settings;
mod setup;
mod stop;
mod summary;
mod verbs;

pub use self::error::Error;
pub use self::http::router;
pub use self::refusal::Refusal;
pub use self::repository::remove_repository;
pub use self::settings::Settings;
pub use self::verbs::Verbs;
