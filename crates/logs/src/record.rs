//! A record: one line as readers get it.

use noon_domain::{LogSource, Stream, Timestamp};

use crate::frame::{Flags, Frame};

/// One line as readers get it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number in the app's log, from 1; 0 for what only this reader is told.
    pub seq: u64,
    /// When it was read, or when the platform said it.
    pub at: Timestamp,
    /// Who wrote it.
    pub source: LogSource,
    /// Of what process: `web.1`, `router`.
    pub process: String,
    /// Where the process wrote it.
    pub stream: Stream,
    /// The bytes, without a line end.
    pub text: Vec<u8>,
    /// What is odd about it.
    pub flags: Flags,
}

impl Record {
    /// Copies a frame out of its segment.
    pub(crate) fn of(frame: &Frame<'_>) -> Self {
        let is_stderr = frame.flags.contains(Flags::STDERR);
        Self {
            seq: frame.seq,
            at: frame.at,
            source: frame.source,
            process: String::from_utf8_lossy(frame.process).into_owned(),
            stream: if is_stderr {
                Stream::Stderr
            } else {
                Stream::Stdout
            },
            text: frame.text.to_vec(),
            flags: frame.flags,
        }
    }

    /// The line in Heroku's form, `2026-11-21T11:59:03.847123+00:00 app[web.1]: text`, without a
    /// line end; bytes that are no UTF-8 are shown as U+FFFD.
    pub fn line(&self) -> String {
        self.with_text(&String::from_utf8_lossy(&self.text))
    }

    /// The same for a terminal: of the control characters only tabs and colours are left.
    pub fn line_for_terminal(&self) -> String {
        self.with_text(&noon_domain::tame(&String::from_utf8_lossy(&self.text)))
    }

    fn with_text(&self, text: &str) -> String {
        let time = time_text(self.at);
        let source = self.source.as_str();
        let process = &self.process;
        format!("{time} {source}[{process}]: {text}")
    }
}

/// A time as it stands before each line, to the microsecond, in UTC.
pub(crate) fn time_text(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .unwrap_or_default()
        .strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_herokus_form_and_keeps_control_characters() {
        let record = Record {
            seq: 1,
            at: Timestamp::from_micros(1_795_262_343_847_123),
            source: LogSource::App,
            process: "web.1".to_owned(),
            stream: Stream::Stdout,
            text: b"a\x1b[31mb\x1b[2J\0\xff\tc".to_vec(),
            flags: Flags::NONE,
        };
        let head = "2026-11-21T11:59:03.847123+00:00 app[web.1]: ";
        assert_eq!(
            record.line(),
            format!("{head}a\x1b[31mb\x1b[2J\0\u{fffd}\tc")
        );
        assert_eq!(
            record.line_for_terminal(),
            format!("{head}a\x1b[31mb\u{fffd}\tc")
        );
    }

    #[test]
    fn whole_seconds_keep_their_six_digits() {
        assert_eq!(
            time_text(Timestamp::from_micros(0)),
            "1970-01-01T00:00:00.000000+00:00"
        );
    }
}
