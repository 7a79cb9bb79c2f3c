//! What is refused, so that nobody behind us reads another request than we did.

use httparse::Header;

use super::body::Body;
use super::fields::{self, content_length, values};
use super::host;
use super::request::Parsed;
use crate::Limits;

const MAX_METHOD: usize = 127;

/// What a check gives: nothing, or a status and a cause.
pub(super) type Checked<T = ()> = Result<T, (u16, &'static str)>;

const fn bad<T>(cause: &'static str) -> Checked<T> {
    Err((400, cause))
}

impl Parsed<'_> {
    pub(super) fn check(&self, head: &[u8], limits: &Limits) -> Checked {
        self.check_sizes(head, limits)?;
        self.check_method()?;
        self.check_host()?;
        self.check_target()?;
        if fields::names_essential(self.fields) {
            return bad("connection names an essential field");
        }
        Ok(())
    }

    fn check_sizes(&self, head: &[u8], limits: &Limits) -> Checked {
        let line = head.iter().position(|b| *b == b'\r').unwrap_or(head.len());
        if line > limits.line_bytes {
            return Err((414, "request line too long"));
        }
        let is_long =
            |f: &Header<'_>| f.name.len() > limits.name_bytes || f.value.len() > limits.value_bytes;
        if self.fields.iter().any(is_long) {
            return Err((431, "field too long"));
        }
        Ok(())
    }

    fn check_method(&self) -> Checked {
        match self.method {
            "CONNECT" | "TRACE" => bad("method not offered"),
            long if long.len() > MAX_METHOD => bad("method too long"),
            _ => Ok(()),
        }
    }

    fn check_host(&self) -> Checked {
        let mut hosts = values(self.fields, "host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.is_http_10 => Ok(()),
            (None, _) => bad("no host"),
            (Some(_), Some(_)) => bad("more than one host"),
            (Some(given), None) if host::parse(given).is_none() => bad("bad host"),
            _ => Ok(()),
        }
    }

    /// Paths are taken, whole addresses only if they name the same host.
    fn check_target(&self) -> Checked {
        if self.target == "*" {
            let is_options = self.method == "OPTIONS";
            return if is_options {
                Ok(())
            } else {
                bad("target * without OPTIONS")
            };
        }
        if self.target.starts_with('/') {
            return Ok(());
        }
        let Some((authority, _)) = split_absolute(self.target) else {
            return bad("bad target");
        };
        match values(self.fields, "host").next() {
            Some(host) if host.eq_ignore_ascii_case(authority.as_bytes()) => Ok(()),
            _ => bad("target and host differ"),
        }
    }

    pub(super) fn body(&self) -> Checked<Body> {
        let length = content_length(self.fields).or_else(|_| bad("bad content-length"))?;
        let mut codings = values(self.fields, "transfer-encoding");
        match (codings.next(), codings.next(), length) {
            (None, _, length) => Ok(Body::Length(length.unwrap_or(0))),
            (Some(_), _, Some(_)) => bad("content-length and transfer-encoding"),
            (Some(_), Some(_), _) => bad("more than one transfer-encoding"),
            (Some(_), ..) if self.is_http_10 => bad("transfer-encoding on HTTP/1.0"),
            (Some(coding), ..) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Body::chunked()),
            _ => bad("bad transfer-encoding"),
        }
    }

    pub(super) fn expectation(&self) -> Checked {
        let mut expected = values(self.fields, "expect");
        match expected.all(|e| e.eq_ignore_ascii_case(b"100-continue")) {
            true => Ok(()),
            false => Err((417, "unsupported expect")),
        }
    }
}

/// Takes `http://authority/path` apart.
pub(super) fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let scheme = target.get(..7)?;
    let rest = &target[7..];
    if !scheme.eq_ignore_ascii_case("http://") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Some(rest.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::read;

    const SMUGGLED: [(&str, &str); 33] = [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "content-length and transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "bad content-length",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "bad content-length",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "bad content-length",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
            "bad transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "bad transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "bad transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n",
            "bad transfer-encoding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "more than one transfer-encoding",
        ),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "transfer-encoding on HTTP/1.0",
        ),
        ("GET / HTTP/1.1\r\n\r\n", "no host"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "more than one host",
        ),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "bad host"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "bad host"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n",
            "connection names an essential field",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n",
            "connection names an essential field",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "bad field name",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
            "bad field name",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
            "bad field name",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", "bad field name"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\0\r\n\r\n",
            "bad field value",
        ),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "bad version"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "bad version"),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "bad request line"),
        ("GET /\r\nHost: a\r\n\r\n", "bad request line"),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "bad request line"),
        (
            "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "method not offered",
        ),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "method not offered"),
        (
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "target * without OPTIONS",
        ),
        ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", "bad target"),
        ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad target"),
        (
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "target and host differ",
        ),
        (
            "GET http://a@b/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "target and host differ",
        ),
    ];

    #[test]
    fn what_smugglers_send_is_refused_with_its_cause() {
        for (head, cause) in SMUGGLED {
            let refusal = read(head).expect_err(head);
            assert_eq!((refusal.status, refusal.cause), (400, cause), "{head}");
        }
    }

    #[test]
    fn what_is_too_large_or_not_offered_has_a_status_of_its_own() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8200));
        let wide = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
            "x".repeat(8193)
        );
        let many = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "A: b\r\n".repeat(1000)
        );
        let expecting = "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n";
        for (head, status, cause) in [
            (expecting, 417, "unsupported expect"),
            (&long, 414, "request line too long"),
            (&wide, 431, "field too long"),
            (&many, 431, "too many fields"),
        ] {
            let refusal = read(head).expect_err(head);
            assert_eq!((refusal.status, refusal.cause), (status, cause), "{head}");
        }
    }
}
