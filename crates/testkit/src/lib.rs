//! A whole house for tests: a real `noon server` in a home of its own, driven as a user would.
//!
//! Serves no factor and ships nowhere: it is nobody's `[dependencies]`. A [`House`] has its own
//! directories and ports; it ends only processes that it started; and when it is torn down it
//! complains of what was left behind: processes, mounts, shims, network devices.
//!
//! Deliberately absent: fakes of databases, git, processes and sockets. Those are real here.

mod house;
mod http;
mod leftovers;
mod ran;
mod repo;
mod sandboxes;
mod user;

pub use house::{House, HouseBuilder};
pub use http::{Answer, get, request};
pub use leftovers::of as leftovers;
pub use ran::Ran;
pub use repo::Repo;
pub use sandboxes::{Sandbox, kill_if, of as sandboxes};
pub use user::TestUser;

use std::time::{Duration, Instant};

/// Waits until `holds` gives something, looking often.
///
/// # Panics
/// When it gave nothing for 60 seconds.
pub fn eventually<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "never came true: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
