//! A request's head: parsed, checked against all that smugglers try, and rewritten for the app.

use std::mem::MaybeUninit;

use httparse::Header;

use super::body::Body;
use super::forwarded::Door;
use super::host;
use crate::Limits;

const MAX_FIELDS: usize = 1000;

/// One request, as the router needs it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) line: Line,
    pub(crate) id: String,
    pub(crate) forwarded_for: String,
    pub(crate) is_http_10: bool,
    pub(crate) keeps_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) upgrades: bool,
    pub(crate) wants_text: bool,
    /// How its body will end.
    pub(crate) body: Body,
    /// The head as the app gets it.
    pub(crate) head: Vec<u8>,
}

/// What of a request can be told, even of one that is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Checked, and without its port; `None` where the request names none.
    pub(crate) host: Option<String>,
}

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// In few words, for the log and the page.
    pub(crate) cause: &'static str,
    pub(crate) line: Line,
}

impl Refusal {
    /// A refusal of bytes that tell nothing.
    pub(crate) fn new(status: u16, cause: &'static str) -> Self {
        let line = Line::default();
        Self {
            status,
            cause,
            line,
        }
    }
}

/// A head as httparse reads it, before anything of it is believed.
pub(super) struct Parsed<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) is_http_10: bool,
    pub(super) fields: &'a [Header<'a>],
}

impl Request {
    /// Reads a whole head.
    pub(crate) fn read(head: &[u8], door: &Door, limits: &Limits) -> Result<Self, Refusal> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut raw = httparse::Request::new(&mut []);
        let outcome = raw.parse_with_uninit_headers(head, &mut storage);
        let line = Line::of(&raw, head);
        let refuse = |(status, cause)| Refusal {
            status,
            cause,
            line: line.clone(),
        };
        match outcome {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(refuse((400, "incomplete head"))),
            Err(error) => return Err(refuse(explain(error))),
        }
        let parsed = Parsed {
            method: raw.method.unwrap_or_default(),
            target: raw.path.unwrap_or_default(),
            is_http_10: raw.version == Some(0),
            fields: raw.headers,
        };
        parsed.check(head, limits).map_err(refuse)?;
        let body = parsed.body().map_err(refuse)?;
        parsed.expectation().map_err(refuse)?;
        Ok(parsed.rewrite(body, door, line))
    }

    /// Whether it may be sent twice: it changes nothing the second time and has no body.
    pub(crate) fn is_replayable(&self) -> bool {
        let is_idempotent = matches!(
            self.line.method.as_str(),
            "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE"
        );
        is_idempotent && self.body.is_done() && !self.upgrades
    }
}

fn explain(error: httparse::Error) -> (u16, &'static str) {
    match error {
        httparse::Error::TooManyHeaders => (431, "too many fields"),
        httparse::Error::HeaderName => (400, "bad field name"),
        httparse::Error::HeaderValue => (400, "bad field value"),
        httparse::Error::Version => (400, "bad version"),
        _ => (400, "bad request line"),
    }
}

impl Line {
    /// Looks for the host in the bytes themselves: a head that is refused has no fields.
    fn of(raw: &httparse::Request<'_, '_>, head: &[u8]) -> Self {
        let mut lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
        let named = lines.find_map(|l| match l.get(..5)?.eq_ignore_ascii_case(b"host:") {
            true => host::parse(l[5..].trim_ascii()),
            false => None,
        });
        Self {
            method: raw.method.unwrap_or_default().to_owned(),
            path: raw.path.unwrap_or_default().to_owned(),
            host: named.map(str::to_ascii_lowercase),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn read(head: &str) -> Result<Request, Refusal> {
        let door = Door {
            client: [192, 0, 2, 1].into(),
            port: 80,
            is_trusted: false,
            now_ms: 7,
        };
        Request::read(head.as_bytes(), &door, &Limits::default())
    }

    #[test]
    fn a_refused_request_is_still_known_by_its_line_and_host() {
        let head = "POST /x HTTP/1.1\r\nHost: A.test:80\r\nContent-Length: x\r\n\r\n";
        let expected = Line {
            method: "POST".to_owned(),
            path: "/x".to_owned(),
            host: Some("a.test".to_owned()),
        };
        assert_eq!(read(head).unwrap_err().line, expected);
    }

    #[test]
    fn connections_are_kept_unless_someone_minds() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
                false,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n",
                false,
            ),
            (
                "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
                false,
            ),
        ] {
            assert_eq!(read(head).unwrap().keeps_alive, expected, "{head}");
        }
    }

    #[test]
    fn a_page_is_html_unless_the_client_takes_none() {
        for (accept, expected) in [
            ("", false),
            ("text/html", false),
            ("application/json, */*;q=0.1", false),
            ("application/json", true),
            ("text/plain;q=1", true),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
            assert_eq!(read(&head).unwrap().wants_text, expected, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn a_rewritten_head_reads_back_as_one_request_with_the_same_body(
            path in "/[!-~]{0,20}",
            fields in proptest::collection::vec(("[A-Za-z_-]{1,12}", "[ -~\t]{0,20}"), 0..8),
        ) {
            let mut head = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n");
            for (name, value) in &fields {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("\r\n");
            if let Ok(request) = read(&head) {
                let again = String::from_utf8(request.head).unwrap();
                prop_assert_eq!(super::super::scan::scan(again.as_bytes(), 0),
                    super::super::scan::Scan::Whole(again.len()));
                let second = read(&again).unwrap();
                prop_assert_eq!(second.line.path, path);
                prop_assert_eq!(second.body.is_done(), request.body.is_done());
            }
        }
    }
}
