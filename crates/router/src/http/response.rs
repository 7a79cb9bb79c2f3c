//! A response's head: parsed, checked and rewritten for the client.

use std::mem::MaybeUninit;

use httparse::Header;

use super::body::Body;
use super::fields::{content_length, has_member, is_hop_by_hop, values, write};
use crate::Limits;

const MAX_FIELDS: usize = 1000;

/// One response's head, as the router needs it.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// How its body will end.
    pub(crate) body: Body,
    /// Whether the process keeps the connection.
    pub(crate) keeps_alive: bool,
    /// The head as the client gets it, without `Connection` and without its empty line.
    pub(crate) head: Vec<u8>,
}

/// Why a response goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadResponse {
    /// It is no HTTP (H17).
    Malformed,
    /// It breaks a limit (H25).
    Restricted,
}

/// What the response is an answer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) is_head: bool,
    pub(crate) is_http_10: bool,
    pub(crate) upgrades: bool,
}

impl Response {
    /// Reads a whole head.
    pub(crate) fn read(head: &[u8], asked: Asked, limits: &Limits) -> Result<Self, BadResponse> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut raw = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut raw, head, &mut storage) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(BadResponse::Restricted),
            _ => return Err(BadResponse::Malformed),
        }
        let status = raw.code.unwrap_or_default();
        if !(100..=999).contains(&status) || (status == 101 && !asked.upgrades) {
            return Err(BadResponse::Malformed);
        }
        check_sizes(head, raw.headers, limits)?;
        let is_http_10 = raw.version == Some(0);
        let body = body(status, raw.headers, is_http_10, asked)?;
        let keeps_alive = !is_http_10
            && !asked.is_http_10
            && !matches!(body, Body::UntilClose(_))
            && !has_member(raw.headers, "connection", "close");
        let head = rewrite(status, raw.reason.unwrap_or_default(), raw.headers);
        Ok(Self {
            status,
            body,
            keeps_alive,
            head,
        })
    }

    /// Whether another response follows this one.
    pub(crate) const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

fn check_sizes(head: &[u8], fields: &[Header<'_>], limits: &Limits) -> Result<(), BadResponse> {
    let line = head.iter().position(|b| *b == b'\r').unwrap_or(head.len());
    let mut cookies = values(fields, "set-cookie");
    if line > limits.line_bytes || cookies.any(|c| c.len() > limits.value_bytes) {
        return Err(BadResponse::Restricted);
    }
    Ok(())
}

fn body(
    status: u16,
    fields: &[Header<'_>],
    is_http_10: bool,
    asked: Asked,
) -> Result<Body, BadResponse> {
    let length = content_length(fields).map_err(|_| BadResponse::Restricted)?;
    let mut codings = values(fields, "transfer-encoding");
    let (coding, second) = (codings.next(), codings.next());
    if asked.is_head || status < 200 || matches!(status, 204 | 304) {
        return Ok(Body::EMPTY);
    }
    match (coding, length) {
        (None, Some(length)) => Ok(Body::Length(length)),
        (None, None) => Ok(Body::UntilClose(false)),
        (Some(coding), None)
            if second.is_none()
                && !is_http_10
                && !asked.is_http_10
                && coding.eq_ignore_ascii_case(b"chunked") =>
        {
            Ok(Body::chunked())
        }
        _ => Err(BadResponse::Malformed),
    }
}

fn rewrite(status: u16, reason: &str, fields: &[Header<'_>]) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    head.extend_from_slice(format!("HTTP/1.1 {status} {reason}\r\n").as_bytes());
    for field in fields.iter().filter(|f| !is_hop_by_hop(fields, f.name)) {
        write(&mut head, field.name, field.value);
    }
    if status == 101 {
        write(&mut head, "Connection", b"Upgrade");
        for protocol in values(fields, "upgrade") {
            write(&mut head, "Upgrade", protocol);
        }
    }
    write(&mut head, "Via", b"1.1 noon");
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: Asked = Asked {
        is_head: false,
        is_http_10: false,
        upgrades: false,
    };
    const HEAD: Asked = Asked {
        is_head: true,
        ..GET
    };
    const OLD: Asked = Asked {
        is_http_10: true,
        ..GET
    };
    const UPGRADE: Asked = Asked {
        upgrades: true,
        ..GET
    };

    fn read(head: &str, asked: Asked) -> Result<Response, BadResponse> {
        Response::read(head.as_bytes(), asked, &Limits::default())
    }

    #[test]
    fn a_body_ends_as_its_head_says() {
        for (head, asked, body, keeps_alive) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
                GET,
                "Length(3)",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
                HEAD,
                "Length(0)",
                true,
            ),
            ("HTTP/1.1 204 No\r\n\r\n", GET, "Length(0)", true),
            (
                "HTTP/1.1 304 No\r\nContent-Length: 3\r\n\r\n",
                GET,
                "Length(0)",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                GET,
                "Chunked",
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", GET, "UntilClose(false)", false),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\n",
                GET,
                "Length(3)",
                false,
            ),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n",
                GET,
                "Length(3)",
                false,
            ),
            (
                "HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n",
                UPGRADE,
                "Length(0)",
                true,
            ),
        ] {
            let response = read(head, asked).unwrap();
            let shown = format!("{:?}", response.body);
            assert!(shown.starts_with(body), "{head}: {shown}");
            assert_eq!(response.keeps_alive, keeps_alive, "{head}");
        }
    }

    #[test]
    fn a_poor_response_is_refused() {
        let cookie = format!(
            "HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\n\r\n",
            "x".repeat(8193)
        );
        let reason = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(8193));
        for (head, asked, expected) in [
            ("hello\r\n\r\n", GET, BadResponse::Malformed),
            ("HTTP/1.1 20 OK\r\n\r\n", GET, BadResponse::Malformed),
            ("HTTP/1.1 099 OK\r\n\r\n", GET, BadResponse::Malformed),
            ("HTTP/1.1 101 Up\r\n\r\n", GET, BadResponse::Malformed),
            ("HTTP/1.1 200 OK\r\nX\r\n\r\n", GET, BadResponse::Malformed),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                OLD,
                BadResponse::Malformed,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                GET,
                BadResponse::Malformed,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                GET,
                BadResponse::Malformed,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                GET,
                BadResponse::Restricted,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                GET,
                BadResponse::Restricted,
            ),
            (&cookie, GET, BadResponse::Restricted),
            (&reason, GET, BadResponse::Restricted),
        ] {
            assert_eq!(read(head, asked).expect_err(head), expected, "{head}");
        }
    }

    #[test]
    fn hop_by_hop_fields_stay_behind_and_via_is_added() {
        let head = "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-A\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n";
        let head = String::from_utf8(read(head, GET).unwrap().head).unwrap();
        let expected =
            "HTTP/1.1 200 Fine|Set-Cookie: a|Set-Cookie: b|Content-Length: 0|Via: 1.1 noon|";
        assert_eq!(head.replace("\r\n", "|"), expected);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Response::read(&bytes, GET, &Limits::default());
        }
    }
}
