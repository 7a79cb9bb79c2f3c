//! Which lines a reader wants.

use noon_domain::{LogSource, Timestamp};

use crate::frame::Frame;

/// Which lines a reader wants; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this process (`web.1`) or of all processes of this type (`web`).
    pub process: Option<String>,
    /// Only from this source.
    pub source: Option<LogSource>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only up to and with this time.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a frame is wanted.
    pub(crate) fn matches(&self, frame: &Frame<'_>) -> bool {
        let is_process = |wanted: &String| is_of(frame.process, wanted.as_bytes());
        self.source.is_none_or(|source| source == frame.source)
            && self.since.is_none_or(|since| since <= frame.at)
            && self.until.is_none_or(|until| frame.at <= until)
            && self.process.as_ref().is_none_or(is_process)
    }
}

/// Whether `process` is `wanted` itself or one of that type.
fn is_of(process: &[u8], wanted: &[u8]) -> bool {
    process
        .strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Flags;

    fn matches(filter: &Filter, source: LogSource, process: &str) -> bool {
        filter.matches(&Frame {
            seq: 1,
            at: Timestamp::from_micros(100),
            source,
            flags: Flags::NONE,
            process: process.as_bytes(),
            text: b"",
        })
    }

    #[test]
    fn a_process_filter_takes_a_name_or_a_type_and_nothing_that_merely_begins_so() {
        let table = [
            (None, "web.1", true),
            (Some("web"), "web.1", true),
            (Some("web"), "web.12", true),
            (Some("web"), "web", true),
            (Some("web"), "web-api.1", false),
            (Some("web"), "worker.1", false),
            (Some("web.1"), "web.1", true),
            (Some("web.1"), "web.12", false),
            (Some("web.1"), "web", false),
            (Some("router"), "router", true),
        ];
        for (wanted, process, expected) in table {
            let process_wanted = wanted.map(str::to_owned);
            let filter = Filter {
                process: process_wanted,
                ..Filter::default()
            };
            let got = matches(&filter, LogSource::App, process);
            assert_eq!(got, expected, "{wanted:?} on {process}");
        }
    }

    #[test]
    fn source_and_times_narrow_together() {
        let time = |micros| Some(Timestamp::from_micros(micros));
        let table = [
            (None, None, None, true),
            (Some(LogSource::App), None, None, true),
            (Some(LogSource::Platform), None, None, false),
            (None, time(100), time(100), true),
            (None, time(101), None, false),
            (None, None, time(99), false),
            (Some(LogSource::App), time(1), time(99), false),
        ];
        for (source, since, until, expected) in table {
            let filter = Filter {
                process: None,
                source,
                since,
                until,
            };
            let got = matches(&filter, LogSource::App, "web.1");
            assert_eq!(got, expected, "{filter:?}");
        }
    }
}
