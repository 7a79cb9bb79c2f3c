//! Journeys through the whole machine, with real sandboxes: as root, or not at all.
#![expect(
    clippy::unwrap_used,
    reason = "a journey that cannot go on is to fail where it stands"
)]

mod adoption;
mod attacks;
mod attended;
mod crashes;
mod deploys;
mod judged;
mod rootless;
mod site;
mod times;
mod world;
