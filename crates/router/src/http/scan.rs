//! Finds the end of a head, and refuses line ends that are not CRLF before anything else looks.

/// What the bytes so far hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A whole head, of so many bytes with its empty line.
    Whole(usize),
    /// Not yet all of it; scan on from here.
    Partial(usize),
    /// A line feed without its carriage return, or the other way round.
    BadLineEnd,
}

/// Looks for the end of a head, from where the last look ended.
pub(crate) fn scan(bytes: &[u8], from: usize) -> Scan {
    let mut at = from;
    while let Some(found) = bytes[at..].iter().position(|b| matches!(b, b'\r' | b'\n')) {
        let end = at + found;
        match (bytes[end], bytes.get(end + 1)) {
            (b'\r', None) => return Scan::Partial(end),
            (b'\r', Some(b'\n')) => at = end + 2,
            _ => return Scan::BadLineEnd,
        }
        if end == 0 || (end >= 2 && &bytes[end - 2..end] == b"\r\n") {
            return Scan::Whole(at);
        }
    }
    Scan::Partial(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_with_its_empty_line_and_lines_end_with_crlf() {
        for (bytes, expected) in [
            (&b""[..], Scan::Partial(0)),
            (b"GET", Scan::Partial(3)),
            (b"GET\r", Scan::Partial(3)),
            (b"GET\r\n", Scan::Partial(5)),
            (b"GET\r\n\r", Scan::Partial(5)),
            (b"GET\r\n\r\n", Scan::Whole(7)),
            (b"GET\r\n\r\nrest", Scan::Whole(7)),
            (b"GET\nA: b\r\n\r\n", Scan::BadLineEnd),
            (b"GET\r\nA: b\n\r\n", Scan::BadLineEnd),
            (b"GET\r\nA: b\r\n\n", Scan::BadLineEnd),
            (b"GET\rA", Scan::BadLineEnd),
        ] {
            assert_eq!(scan(bytes, 0), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_head_in_pieces_ends_where_the_whole_does(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a')], 0..40),
            cut in 0usize..40,
        ) {
            let whole = scan(&bytes, 0);
            let piece = scan(&bytes[..cut.min(bytes.len())], 0);
            let joined = match piece {
                Scan::Partial(from) => scan(&bytes, from),
                done => done,
            };
            prop_assert_eq!(joined, whole);
        }
    }
}
