//! Factors II and V: a source tree becomes a slug.
//!
//! [`Builder::build`] reads like the plot: detect what the tree is, close the tree into a layer,
//! install what its lock file declares, run what it builds, name the whole. Detection is pure: a
//! table of languages over the names and manifests at the root of the tree. Every command runs
//! through the [`Engine`](noon_domain::Engine) port, at `/app`, on an overlay whose upper directory
//! then *is* the next layer; nothing is copied, packed or unpacked.
//!
//! Invariants:
//! - A layer is a directory named by the hash of its normalised tree. It is renamed into place
//!   whole and never changes afterwards.
//! - The same tree, lock file, stack and tools give the same layers, bit for bit.
//! - Dependencies come from a lock file or the build is refused, unless the app says otherwise. Only
//!   the install step may reach a registry; the build step has no network.
//! - The install step sees exactly what its cache key covers, so a hit can never be stale.
//! - A build that fails leaves layers and memos as they were. What an install that went well made
//!   is kept: it is complete by itself.
//! - Nothing is deleted on the way: directories are renamed into the trash and swept later.
//! - Files of the tree are read outside the sandbox only by their own names, never through a
//!   symbolic link.
//!
//! Deliberately absent: config vars (a slug is the same in every deploy), the store, git, archives,
//! default web servers, implicit migrations, and every language whose registry was not tried.

mod build;
mod builder;
mod cache;
mod detect;
mod error;
mod install;
mod layers;
mod output;
mod settings;
mod slug;
mod stack;
mod step;
mod tools;
mod trash;
mod tree;
mod workspace;

pub use builder::{Builder, Job, OutputLine};
pub use error::Error;
pub use settings::{BuildLimits, Settings};
