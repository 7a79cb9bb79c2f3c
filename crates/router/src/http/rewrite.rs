//! The head as the app gets it.

use super::body::Body;
use super::check::split_absolute;
use super::fields::{self, has_member, is_hop_by_hop, values, write};
use super::forwarded::{self, Door};
use super::request::{Line, Parsed, Request};
use super::request_id;

impl Parsed<'_> {
    /// An upgrade is passed on if nothing can be hidden behind it: no body, and no HTTP/2, whose
    /// requests would all go unseen.
    fn upgrades(&self, body: &Body) -> bool {
        let mut protocols = values(self.fields, "upgrade");
        let named = protocols.next().filter(|p| !p.is_empty());
        let is_plain = protocols.next().is_none()
            && named.is_some_and(|p| !p.to_ascii_lowercase().starts_with(b"h2"));
        is_plain
            && !self.is_http_10
            && body.is_done()
            && has_member(self.fields, "connection", "upgrade")
    }

    fn wants_text(&self) -> bool {
        let mut ranges = fields::members(self.fields, "accept").peekable();
        let is_html = |r: &[u8]| {
            let kind = r
                .split(|b| *b == b';')
                .next()
                .unwrap_or_default()
                .trim_ascii();
            [&b"text/html"[..], b"text/*", b"*/*"]
                .iter()
                .any(|h| kind.eq_ignore_ascii_case(h))
        };
        ranges.peek().is_some() && !ranges.any(is_html)
    }

    pub(super) fn rewrite(&self, body: Body, door: &Door, line: Line) -> Request {
        let upgrades = self.upgrades(&body);
        let id = request_id::choose(values(self.fields, "x-request-id"));
        let chain = forwarded::chain(self.fields, door);
        let mut head = self.first_line();
        self.copy_fields(&mut head, door);
        if upgrades {
            let protocol = values(self.fields, "upgrade").next().unwrap_or_default();
            write(&mut head, "Connection", b"Upgrade");
            write(&mut head, "Upgrade", protocol);
        }
        write(&mut head, "X-Request-Id", id.as_bytes());
        forwarded::write_all(&mut head, self.fields, door, &chain);
        head.extend_from_slice(b"Via: 1.1 noon\r\n\r\n");
        Request {
            line,
            id,
            forwarded_for: chain,
            is_http_10: self.is_http_10,
            keeps_alive: !self.is_http_10 && !has_member(self.fields, "connection", "close"),
            expects_continue: !self.is_http_10
                && !body.is_done()
                && values(self.fields, "expect").next().is_some(),
            upgrades,
            wants_text: self.wants_text(),
            body,
            head,
        }
    }

    fn first_line(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(1024);
        head.extend_from_slice(self.method.as_bytes());
        head.push(b' ');
        let path = match split_absolute(self.target) {
            Some((_, "")) => "/",
            Some((_, path)) => path,
            None => self.target,
        };
        head.extend_from_slice(if path.starts_with('?') { b"/" } else { b"" });
        head.extend_from_slice(path.as_bytes());
        head.extend_from_slice(if self.is_http_10 {
            b" HTTP/1.0\r\n"
        } else {
            b" HTTP/1.1\r\n"
        });
        head
    }

    fn copy_fields(&self, head: &mut Vec<u8>, door: &Door) {
        for field in self.fields {
            let is_answered = field.name.eq_ignore_ascii_case("expect");
            if !is_answered
                && !is_hop_by_hop(self.fields, field.name)
                && !forwarded::is_dropped(field.name, door)
            {
                write(head, field.name, field.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::read;

    /// The rewritten head, without what every request gets.
    fn rewritten(head: &str) -> String {
        let request = read(head).unwrap();
        let text = String::from_utf8(request.head).unwrap();
        let (own, _) = text.split_once("X-Request-Id:").unwrap();
        own.replace("\r\n", "|")
    }

    #[test]
    fn hop_by_hop_fields_stay_behind_and_all_others_go_on_in_order() {
        for (head, expected) in [
            (
                "GET /a?b HTTP/1.1\r\nHost: a:80\r\nB: 2\r\nA:  1 \r\nB: 3\r\n\r\n",
                "GET /a?b HTTP/1.1|Host: a:80|B: 2|A: 1|B: 3|",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\nProxy: x\r\n\r\n",
                "GET / HTTP/1.1|Host: a|",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\nExpect: 100-continue\r\n\r\n",
                "POST / HTTP/1.1|Host: a|Transfer-Encoding: Chunked|Trailer: X|",
            ),
            (
                "GET http://A/x HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /x HTTP/1.1|Host: a|",
            ),
            (
                "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET /?x HTTP/1.1|Host: a|",
            ),
            (
                "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
                "OPTIONS * HTTP/1.1|Host: a|",
            ),
            ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0|"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                "GET / HTTP/1.1|Host: a|Connection: Upgrade|Upgrade: websocket|",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
                "GET / HTTP/1.1|Host: a|",
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\n",
                "POST / HTTP/1.1|Host: a|Content-Length: 3|",
            ),
        ] {
            assert_eq!(rewritten(head), expected);
        }
    }
}
