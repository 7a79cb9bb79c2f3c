//! The line that each request leaves in its app's log, in Heroku's form.

use std::fmt::Write;
use std::time::Duration;

use crate::code::Code;

/// What is known of one request at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) request_id: String,
    pub(crate) forwarded_for: String,
    pub(crate) process: String,
    pub(crate) connect: Option<Duration>,
    pub(crate) service: Option<Duration>,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) fault: Option<Fault>,
    /// The app in which the request was made, for one that came through a link.
    pub(crate) from: Option<String>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    /// More than the code tells, where there is more.
    pub(crate) cause: Option<&'static str>,
}

impl Record {
    /// The line, without a line end. Whatever a client sends, it is one line and its fields are
    /// where they should be.
    pub(crate) fn line(&self) -> String {
        let mut line = String::with_capacity(256);
        self.write_fault(&mut line);
        field(&mut line, " method=", &self.method);
        quoted(&mut line, " path=", &self.path);
        field(&mut line, " host=", &self.host);
        field(&mut line, " request_id=", &self.request_id);
        quoted(&mut line, " fwd=", &self.forwarded_for);
        field(&mut line, " dyno=", &self.process);
        time(&mut line, " connect=", self.connect);
        time(&mut line, " service=", self.service);
        // Writing to a String cannot fail.
        let _ = write!(
            line,
            " status={} bytes={} protocol=http",
            self.status, self.bytes
        );
        if let Some(from) = &self.from {
            field(&mut line, " from=", from);
        }
        line
    }

    fn write_fault(&self, line: &mut String) {
        let Some(Fault { code, cause }) = self.fault else {
            line.push_str("at=info");
            return;
        };
        let _ = write!(
            line,
            "at={} code={} desc=\"{}\"",
            code.level(),
            code.name(),
            code.desc()
        );
        if let Some(cause) = cause {
            quoted(line, " cause=", cause);
        }
        if let Some(sock) = code.sock() {
            field(line, " sock=", sock);
        }
    }
}

/// Writes a bare value, of which only plain characters are kept.
fn field(line: &mut String, name: &str, value: &str) {
    line.push_str(name);
    line.extend(
        value
            .chars()
            .filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '=')),
    );
}

fn quoted(line: &mut String, name: &str, value: &str) {
    line.push_str(name);
    line.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            ' '..='~' => line.push(c),
            _ => line.extend(c.escape_default()),
        }
    }
    line.push('"');
}

fn time(line: &mut String, name: &str, time: Option<Duration>) {
    line.push_str(name);
    if let Some(time) = time {
        let _ = write!(line, "{}ms", time.as_millis());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        Record {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "x.test".to_owned(),
            request_id: "abc".to_owned(),
            forwarded_for: "1.2.3.4".to_owned(),
            process: "web.1".to_owned(),
            connect: Some(Duration::from_millis(1)),
            service: Some(Duration::from_millis(18)),
            status: 200,
            bytes: 13,
            fault: None,
            from: None,
        }
    }

    #[test]
    fn a_line_reads_as_heroku_writes_it() {
        assert_eq!(
            record().line(),
            "at=info method=GET path=\"/\" host=x.test request_id=abc fwd=\"1.2.3.4\" dyno=web.1 \
             connect=1ms service=18ms status=200 bytes=13 protocol=http"
        );
        let code = Code::NoWebProcesses;
        let failed = Record {
            process: String::new(),
            connect: None,
            service: None,
            status: 503,
            bytes: 0,
            fault: Some(Fault { code, cause: None }),
            ..record()
        };
        assert_eq!(
            failed.line(),
            "at=error code=H14 desc=\"No web processes running\" method=GET path=\"/\" host=x.test \
             request_id=abc fwd=\"1.2.3.4\" dyno= connect= service= status=503 bytes=0 protocol=http"
        );
    }

    #[test]
    fn what_came_through_a_link_names_the_app_it_came_from() {
        let from = Some("caller".to_owned());
        let line = Record { from, ..record() }.line();
        assert!(
            line.ends_with("status=200 bytes=13 protocol=http from=caller"),
            "{line}"
        );
    }

    #[test]
    fn whose_socket_broke_and_why_is_said_after_the_code() {
        let line = |code, cause| {
            Record {
                fault: Some(Fault { code, cause }),
                ..record()
            }
            .line()
        };
        let interrupted = line(Code::ClientInterrupted, None);
        assert!(interrupted.starts_with(
            "at=warning code=H27 desc=\"Client Request Interrupted\" sock=client method=GET"
        ));
        let refused = line(Code::RequestError, Some("bad chunk"));
        assert!(refused.contains("desc=\"Request Error\" cause=\"bad chunk\" method=GET"));
    }

    #[test]
    fn a_path_cannot_forge_a_field_or_a_line() {
        let path = "/\" status=200 \\\n\u{1b}[31mé".to_owned();
        let line = Record { path, ..record() }.line();
        let path = "path=\"/\\\" status=200 \\\\\\n\\u{1b}[31m\\u{e9}\"";
        assert!(line.contains(path), "{line}");
    }

    proptest! {
        #[test]
        fn whatever_comes_it_is_one_printable_line(text in ".*") {
            let forged = Record {
                method: text.clone(),
                path: text.clone(),
                host: text.clone(),
                forwarded_for: text,
                ..record()
            };
            prop_assert!(forged.line().bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
    }
}
