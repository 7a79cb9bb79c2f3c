//! Makes text harmless for a terminal: an app's output must not move the cursor, rename the
//! window or answer questions in the reader's name.

/// Takes out every control character but tabs, and every escape sequence but colours (SGR).
pub(crate) fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        out.push_str(&rest[..at]);
        let after = &rest[at..];
        let (kept, length) = if after.starts_with('\x1b') {
            escape(after)
        } else {
            single(after)
        };
        if kept {
            out.push_str(&after[..length]);
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

fn single(text: &str) -> (bool, usize) {
    (false, text.chars().next().map_or(0, char::len_utf8))
}

/// Whether the escape sequence at the start of `text` is kept, and its length.
fn escape(text: &str) -> (bool, usize) {
    match text.as_bytes().get(1) {
        Some(b'[') => control_sequence(text),
        Some(b']' | b'P' | b'_' | b'^' | b'X') => (false, string(text)),
        Some(b' '..=b'~') => (false, 2),
        _ => (false, 1),
    }
}

fn control_sequence(text: &str) -> (bool, usize) {
    let bytes = &text.as_bytes()[2..];
    let parameters = bytes
        .iter()
        .take_while(|b| (b' '..=b'?').contains(b))
        .count();
    let is_plain = bytes[..parameters]
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b';' | b':'));
    match bytes.get(parameters) {
        Some(b'm') => (is_plain, parameters + 3),
        Some(b'@'..=b'~') => (false, parameters + 3),
        _ => (false, parameters + 2),
    }
}

/// The length of a string sequence: up to BEL or ESC \, or else to the end.
fn string(text: &str) -> usize {
    let bell = text.find('\x07').map(|at| at + 1);
    let escape = text[2..].find("\x1b\\").map(|at| at + 4);
    bell.into_iter().chain(escape).min().unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::tame;

    #[test]
    fn colours_and_tabs_stay_and_all_else_goes() {
        let table = [
            ("plain é\ttext", "plain é\ttext"),
            ("\x1b[1;31mred\x1b[0m\x1b[m", "\x1b[1;31mred\x1b[0m\x1b[m"),
            ("\x1b[38:2::1:2:3mtrue", "\x1b[38:2::1:2:3mtrue"),
            ("a\x1b[2Jb\x1b[10;10Hc\x1b[?25ld\x1b[>4m", "abcd"),
            ("\x1b]0;title\x07x\x1b]52;c;AAAA\x1b\\y", "xy"),
            ("\x1bPq\x1b\\z\x1b(B\x1b7w", "zBw"),
            ("50%\r60%\x08\x00\u{9b}31m", "50%60%31m"),
            ("end\x1b", "end"),
            ("end\x1b[", "end"),
            ("end\x1b[31", "end"),
            ("end\x1b]0;never", "end"),
        ];
        for (given, expected) in table {
            assert_eq!(tame(given), expected, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_has_escapes_only_in_colours(text in "[\\x00-\\x7f\u{80}-\u{9f}é]{0,60}") {
            let tamed = tame(&text);
            let mut rest = tamed.as_str();
            while let Some(at) = rest.find('\x1b') {
                rest = &rest[at..];
                let end = rest.find('m').expect("every escape ends");
                prop_assert!(rest[1..end].starts_with('['));
                prop_assert!(rest[2..end].bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':'));
                rest = &rest[end..];
            }
            prop_assert!(tamed.chars().all(|c| !c.is_control() || c == '\t' || c == '\x1b'));
        }
    }
}
