//! The lines in which the platform owns up to what it lost, in Heroku's words and codes.

use noon_domain::Timestamp;

use crate::record::time_text;

/// The process that such lines come from.
pub(crate) const PROCESS: &str = "logplex";

/// Lines that a full disk cost.
pub(crate) fn disk_full(lost: u64, since: Timestamp, why: &str) -> String {
    let messages = messages(lost);
    let since = time_text(since);
    format!("Error L12 (Local buffer overflow) -> {messages} dropped since {since}: {why}.")
}

/// Lines of the platform that found no collector and no room to wait.
pub(crate) fn undelivered(lost: u64, since: Timestamp) -> String {
    let messages = messages(lost);
    let since = time_text(since);
    format!("Error L13 (Local delivery error) -> {messages} of the platform dropped since {since}.")
}

/// What the collector had taken and not yet kept when it was killed.
pub(crate) fn in_flight(bytes: u64) -> String {
    format!(
        "Error L13 (Local delivery error) -> The log collector was killed and may have lost up \
         to {bytes} bytes of output."
    )
}

/// Frames that were damaged on the disk.
pub(crate) fn damaged(frames: u64) -> String {
    let messages = messages(frames);
    format!(
        "Error L13 (Local delivery error) -> The newest log segment was damaged: up to {messages} \
         lost."
    )
}

/// Lines that a slow tail did not get.
pub(crate) fn overtaken(lost: u64, since: Timestamp) -> String {
    let messages = messages(lost);
    let since = time_text(since);
    format!(
        "Error L11 (Tail buffer overflow) -> This tail session dropped {messages} since {since}."
    )
}

fn messages(count: u64) -> String {
    let noun = if count == 1 { "message" } else { "messages" };
    format!("{count} {noun}")
}
