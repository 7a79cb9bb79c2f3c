//! What an app is told of the client, and what of that is believed.

use std::net::IpAddr;

use httparse::Header;

use super::fields::{values, write};

/// The connection that a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// Who is at the other end.
    pub(crate) client: IpAddr,
    /// The port it came to.
    pub(crate) port: u16,
    /// Whether what it says of others is believed.
    pub(crate) is_trusted: bool,
    /// When the request was read, in milliseconds since the epoch.
    pub(crate) now_ms: u64,
}

/// Fields that the router writes itself.
const OWN: [&str; 2] = ["x-forwarded-for", "x-request-id"];
/// Fields that only a trusted proxy may write.
const TRUSTED_ONLY: [&str; 7] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-ssl",
    "x-request-start",
];

/// Whether a field of the client's is dropped. Dashes and underscores are one: they are to every
/// app that gets its fields as environment variables.
pub(crate) fn is_dropped(name: &str, door: &Door) -> bool {
    let is = |known: &&str| is_same(name, known);
    OWN.iter().any(is) || (TRUSTED_ONLY.iter().any(is) && !keeps(name, door))
}

/// A trusted proxy's own fields stay, as it wrote them.
fn keeps(name: &str, door: &Door) -> bool {
    door.is_trusted && !name.contains('_')
}

fn is_same(name: &str, known: &str) -> bool {
    let plain = |b: u8| {
        if b == b'_' {
            b'-'
        } else {
            b.to_ascii_lowercase()
        }
    };
    name.len() == known.len() && name.bytes().map(plain).eq(known.bytes())
}

/// The client's address, after all those that the client names.
pub(crate) fn chain(fields: &[Header<'_>], door: &Door) -> String {
    let mut chain = String::new();
    for given in values(fields, "x-forwarded-for").filter(|v| !v.is_empty()) {
        chain.push_str(&String::from_utf8_lossy(given));
        chain.push_str(", ");
    }
    chain + &door.client.to_canonical().to_string()
}

/// Writes the fields that tell of the client, but for those that a trusted proxy wrote.
pub(crate) fn write_all(out: &mut Vec<u8>, fields: &[Header<'_>], door: &Door, chain: &str) {
    write(out, "X-Forwarded-For", chain.as_bytes());
    let is_told = |name: &str| door.is_trusted && values(fields, name).next().is_some();
    if !is_told("x-forwarded-proto") {
        write(out, "X-Forwarded-Proto", b"http");
    }
    if !is_told("x-forwarded-port") {
        write(out, "X-Forwarded-Port", door.port.to_string().as_bytes());
    }
    if !is_told("x-request-start") {
        write(out, "X-Request-Start", door.now_ms.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(given: &[(&str, &str)], is_trusted: bool) -> String {
        let fields: Vec<_> = given
            .iter()
            .map(|(name, value)| Header {
                name,
                value: value.as_bytes(),
            })
            .collect();
        let door = Door {
            client: [192, 0, 2, 1].into(),
            port: 8080,
            is_trusted,
            now_ms: 12,
        };
        let mut out = Vec::new();
        for field in fields.iter().filter(|f| !is_dropped(f.name, &door)) {
            write(&mut out, field.name, field.value);
        }
        write_all(&mut out, &fields, &door, &chain(&fields, &door));
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn the_client_is_appended_at_the_right_and_forged_fields_are_overwritten() {
        let own = "X-Forwarded-Proto: http|X-Forwarded-Port: 8080|X-Request-Start: 12|";
        for (given, expected) in [
            (&[][..], "X-Forwarded-For: 192.0.2.1|"),
            (
                &[("X-Forwarded-For", "1.1.1.1")],
                "X-Forwarded-For: 1.1.1.1, 192.0.2.1|",
            ),
            (
                &[
                    ("x-forwarded-for", "1.1.1.1"),
                    ("X-Forwarded-For", "2.2.2.2, 3.3.3.3"),
                ],
                "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1|",
            ),
            (
                &[("X-Forwarded-Proto", "https")],
                "X-Forwarded-For: 192.0.2.1|",
            ),
            (
                &[("X_Forwarded_Proto", "https")],
                "X-Forwarded-For: 192.0.2.1|",
            ),
            (
                &[("X-Forwarded_Host", "evil")],
                "X-Forwarded-For: 192.0.2.1|",
            ),
            (&[("Forwarded", "for=1")], "X-Forwarded-For: 192.0.2.1|"),
        ] {
            assert_eq!(told(given, false), format!("{expected}{own}"), "{given:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        let given = [
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "a.test"),
        ];
        let said = told(&given, true);
        assert!(
            said.starts_with("X-Forwarded-Proto: https|X-Forwarded-Host: a.test|"),
            "{said}"
        );
        assert!(!said.contains("Proto: http|"), "{said}");
    }
}
