//! The host that a request names.

/// Takes `host[:port]` apart; gives the host, without its port.
///
/// `None` for what is no host: two readers might take it for different ones.
pub(crate) fn parse(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.split_once(']')?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            (
                &text[..inner.len() + 2],
                after.strip_prefix(':').or(after.is_empty().then_some("")),
            )
        }
        None => text
            .split_once(':')
            .map_or((text, Some("")), |(h, p)| (h, Some(p))),
    };
    let is_port = port?.len() <= 5 && port?.bytes().all(|b| b.is_ascii_digit());
    (is_port && is_host(host)).then_some(host)
}

fn is_host(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let bracketed = host.starts_with('[');
    (1..=254).contains(&host.len()) && (bracketed || host.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (value, expected) in [
            ("a.test", Some("a.test")),
            ("a.test:80", Some("a.test")),
            ("A.Test.", Some("A.Test.")),
            ("127.0.0.1:5000", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("a.test:", Some("a.test")),
            ("", None),
            (":80", None),
            ("a.test:x", None),
            ("a.test:80:80", None),
            ("a.test:123456", None),
            ("user@a.test", None),
            ("a.test/x", None),
            ("a b", None),
            ("a.test, b.test", None),
            ("[::1", None),
            ("[x]", None),
            ("[::1]x", None),
            ("ä.test", None),
        ] {
            assert_eq!(parse(value.as_bytes()), expected, "{value:?}");
        }
    }
}
