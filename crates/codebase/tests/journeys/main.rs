//! Journeys: the real git client against this room's router, over loopback.

#![expect(
    clippy::unwrap_used,
    reason = "a journey that breaks off is a failed test"
)]

mod deploying;
mod hostile;
mod house;
mod lasting;
mod pusher;
mod refusing;
mod together;
mod transport;
mod verbs;

use std::process::ExitCode;

/// In a house, git starts the platform's hook as `noon git-hook`; here this very binary stands in
/// for `noon`, through a script that starts it with this test's name.
#[test]
fn this_binary_can_be_the_hook() {
    if std::env::var_os("NOON_HOOK_SOCKET").is_some() {
        let accepted = noon_codebase::hook::run() == ExitCode::SUCCESS;
        std::process::exit(if accepted { 0 } else { 1 });
    }
}
