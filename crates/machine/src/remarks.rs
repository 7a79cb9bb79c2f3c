//! The platform's lines in an app's log, in Heroku's words.

use std::time::Duration;

use noon_domain::{Exit, LogLine, LogSource, ProcessName, Timestamp};

use crate::supervise::{Remark, Rules};

/// The text of a remark about a process with this command.
pub fn text(remark: Remark, command: &str, rules: &Rules) -> String {
    match remark {
        Remark::Starting => format!("Starting process with command `{command}`"),
        Remark::Changed(from, to) => format!("State changed from {from} to {to}"),
        Remark::Down(from) => format!("State changed from {from} to down"),
        Remark::Stopping => "Stopping all processes with SIGTERM".to_owned(),
        Remark::BootTimeout => boot_timeout("bind to $PORT", rules),
        Remark::Unhealthy(times) => format!("Health check failed {times} times in a row"),
        Remark::ExitTimeout => format!(
            "Error R12 (Exit timeout) -> At least one process failed to exit within {} seconds of SIGTERM",
            rules.grace.as_secs()
        ),
        Remark::TimeUp(life) => {
            format!(
                "Stopping process: its time to live of {} is over",
                spoken(life)
            )
        }
        Remark::Detached => "Error R16 (Detached) -> An attached process is not responding to \
            SIGHUP after its external connection was closed."
            .to_owned(),
    }
}

/// A span in its largest whole unit, as in `10 minutes`.
fn spoken(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute")];
    let whole = units
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (count, name) = whole.map_or((seconds, "second"), |(unit, name)| (seconds / unit, name));
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {name}{s}")
}

/// The text for a web process that did not do in time what shows that it is ready.
pub fn boot_timeout(what: &str, rules: &Rules) -> String {
    format!(
        "Error R10 (Boot timeout) -> Web process failed to {what} within {} seconds of launch",
        rules.boot_limit.as_secs()
    )
}

/// The text for a process that uses more memory than its quota, and goes on.
pub const OVER_QUOTA: &str = "Error R14 (Memory quota exceeded)";

/// The text for a process that was ended by SIGKILL.
pub const KILLED: &str = "Stopping process with SIGKILL";

/// The text for a process that had to go because the machine was short of memory. No code of
/// Heroku's is about that: a platform error is what it is.
pub const MACHINE_OUT_OF_MEMORY: &str = "Error R99 (Platform error) -> This machine ran out of \
    memory, and the kernel ended this process, which had not reached its own limit.";

/// How much memory a process uses, and how much of its quota that is.
pub fn memory(bytes: u64, quota: u64) -> String {
    let per_mille = bytes.saturating_mul(1000) / quota.max(1);
    let (percent, tenth) = (per_mille / 10, per_mille % 10);
    format!("Process running mem={}M({percent}.{tenth}%)", bytes >> 20)
}

/// The text for a process that the kernel ended at its memory limit.
pub const OUT_OF_MEMORY: &str = "Error R15 (Memory quota vastly exceeded)";

/// The text of a process's end.
pub fn exited(exit: Exit) -> String {
    format!("Process exited with status {}", exit.code())
}

/// How a process ended, for the middle of a sentence.
pub fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with status {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::TimedOut => "was stopped, for its time was up".to_owned(),
    }
}

/// One line of the platform about a process.
pub fn line(app: noon_domain::AppId, name: &ProcessName, text: String) -> LogLine {
    LogLine {
        app,
        at: Timestamp::now(),
        source: LogSource::Platform,
        process: name.to_string(),
        text,
    }
}

#[cfg(test)]
mod tests {
    use noon_domain::ProcessState;

    use super::*;

    #[test]
    fn remarks_read_as_users_of_heroku_know_them() {
        let rules = Rules::default();
        for (remark, expected) in [
            (Remark::Starting, "Starting process with command `./run`"),
            (
                Remark::Changed(ProcessState::Starting, ProcessState::Up),
                "State changed from starting to up",
            ),
            (
                Remark::Down(ProcessState::Up),
                "State changed from up to down",
            ),
            (Remark::Stopping, "Stopping all processes with SIGTERM"),
            (
                Remark::BootTimeout,
                "Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch",
            ),
            (Remark::Unhealthy(3), "Health check failed 3 times in a row"),
            (
                Remark::ExitTimeout,
                "Error R12 (Exit timeout) -> At least one process failed to exit within 30 seconds of SIGTERM",
            ),
            (
                Remark::TimeUp(Duration::from_secs(600)),
                "Stopping process: its time to live of 10 minutes is over",
            ),
            (
                Remark::Detached,
                "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.",
            ),
        ] {
            assert_eq!(text(remark, "./run", &rules), expected);
        }
        assert_eq!(exited(Exit::Signal(15)), "Process exited with status 143");
    }

    #[test]
    fn memory_is_said_in_whole_mebibytes_and_tenths_of_a_percent() {
        const MIB: u64 = 1 << 20;
        for (bytes, said) in [
            (530 * MIB, "Process running mem=530M(103.5%)"),
            (512 * MIB + 1, "Process running mem=512M(100.0%)"),
            (1024 * MIB, "Process running mem=1024M(200.0%)"),
        ] {
            assert_eq!(memory(bytes, 512 * MIB), said);
        }
    }

    #[test]
    fn a_span_is_said_in_its_largest_whole_unit() {
        for (seconds, said) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (60, "1 minute"),
            (7200, "2 hours"),
            (86_400, "1 day"),
            (90_000, "25 hours"),
        ] {
            assert_eq!(spoken(Duration::from_secs(seconds)), said);
        }
    }
}
