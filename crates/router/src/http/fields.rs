//! Header fields: their list syntax, and which of them go no further than one hop.

use httparse::Header;

/// Fields that are about one connection only.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "upgrade",
    "proxy",
];

/// Fields that a message cannot do without, whatever its `Connection` names.
const ESSENTIAL: [&str; 3] = ["content-length", "host", "transfer-encoding"];

/// The values of all fields of one name.
pub(crate) fn values<'a>(
    fields: &'a [Header<'a>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let named = fields
        .iter()
        .filter(move |f| f.name.eq_ignore_ascii_case(name));
    named.map(|f| f.value.trim_ascii())
}

/// The members of all fields of one name, each a comma-separated list.
pub(crate) fn members<'a>(
    fields: &'a [Header<'a>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let members = values(fields, name).flat_map(|v| v.split(|b| *b == b','));
    members.map(<[u8]>::trim_ascii).filter(|m| !m.is_empty())
}

/// Whether a list field holds a member, in any case.
pub(crate) fn has_member(fields: &[Header<'_>], name: &str, member: &str) -> bool {
    members(fields, name).any(|m| m.eq_ignore_ascii_case(member.as_bytes()))
}

/// Whether a field goes no further than this hop, by its nature or because `Connection` names it.
pub(crate) fn is_hop_by_hop(fields: &[Header<'_>], name: &str) -> bool {
    HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop))
        || members(fields, "connection").any(|m| m.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether `Connection` names a field that the message cannot do without.
pub(crate) fn names_essential(fields: &[Header<'_>]) -> bool {
    ESSENTIAL
        .iter()
        .any(|name| has_member(fields, "connection", name))
}

/// The length that a message gives itself: digits, once.
pub(crate) fn content_length(fields: &[Header<'_>]) -> Result<Option<u64>, BadLength> {
    let mut lengths = values(fields, "content-length");
    let (first, second) = (lengths.next(), lengths.next());
    match (first, second) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(BadLength),
        (Some(digits), None) => parse_length(digits).map(Some),
    }
}

/// A `Content-Length` that is none, or more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLength;

fn parse_length(digits: &[u8]) -> Result<u64, BadLength> {
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadLength);
    }
    Ok(digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
}

/// Writes one field as it goes over the wire.
pub(crate) fn write(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(name: &'a str, value: &'a str) -> Header<'a> {
        Header {
            name,
            value: value.as_bytes(),
        }
    }

    #[test]
    fn lists_are_read_over_all_fields_of_a_name() {
        let fields = [
            field("Connection", "close, X-One"),
            field("connection", ",Upgrade ,"),
        ];
        assert!(has_member(&fields, "connection", "UPGRADE"));
        assert!(is_hop_by_hop(&fields, "x-one") && is_hop_by_hop(&fields, "Keep-Alive"));
        assert!(!is_hop_by_hop(&fields, "x-two") && !names_essential(&fields));
        assert!(names_essential(&[field("Connection", "HOST")]));
    }

    #[test]
    fn a_length_is_digits_and_comes_once() {
        for (lengths, expected) in [
            (&[][..], Ok(None)),
            (&["0"], Ok(Some(0))),
            (&["007"], Ok(Some(7))),
            (&[""], Err(BadLength)),
            (&["-1"], Err(BadLength)),
            (&["+1"], Err(BadLength)),
            (&["1 "], Ok(Some(1))),
            (&["1 1"], Err(BadLength)),
            (&["5, 5"], Err(BadLength)),
            (&["0x5"], Err(BadLength)),
            (&["5", "5"], Err(BadLength)),
            (&["99999999999999999999"], Err(BadLength)),
        ] {
            let fields: Vec<_> = lengths.iter().map(|l| field("Content-Length", l)).collect();
            assert_eq!(content_length(&fields), expected, "{lengths:?}");
        }
    }
}
