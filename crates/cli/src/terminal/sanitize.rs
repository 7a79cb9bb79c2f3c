//! What apps print may hold sequences that would drive the reader's terminal.

/// A line with its colours, and without all else that a terminal obeys: cursor moves, titles,
/// clipboard writes, answers to queries, bells.
pub fn sanitized(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        clean.push_str(&rest[..at]);
        let (kept, taken) = sequence(&rest[at..]);
        if kept {
            clean.push_str(&rest[at..at + taken]);
        }
        rest = &rest[at + taken..];
    }
    clean + rest
}

/// Whether the control sequence at the front is harmless, and how long it is, in bytes.
fn sequence(text: &str) -> (bool, usize) {
    let mut chars = text.char_indices();
    let first = chars.next().map_or(0, |(_, c)| c.len_utf8());
    if !text.starts_with('\x1b') {
        return (false, first);
    }
    match chars.next() {
        Some((_, '[')) => csi(text),
        Some((_, ']' | 'P' | 'X' | '^' | '_')) => (false, string_end(text)),
        Some((at, c)) if !c.is_control() => (false, at + c.len_utf8()),
        _ => (false, first),
    }
}

/// `ESC [ parameters final`: kept only where it sets colours.
fn csi(text: &str) -> (bool, usize) {
    let body = &text[2..];
    let end = body
        .find(|c: char| !matches!(c, ' '..='?'))
        .unwrap_or(body.len());
    let is_plain = body[..end]
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b';' | b':'));
    match body[end..].chars().next() {
        Some('m') if is_plain => (true, 2 + end + 1),
        Some(c @ '@'..='~') => (false, 2 + end + c.len_utf8()),
        _ => (false, 2 + end),
    }
}

/// Up to the bell or the string terminator; to the end where there is none.
fn string_end(text: &str) -> usize {
    let bell = text.find('\x07').map(|at| at + 1);
    let terminator = text.find("\x1b\\").map(|at| at + 2);
    bell.into_iter()
        .chain(terminator)
        .min()
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_stay_and_all_else_goes() {
        for (line, clean) in [
            ("plain\ttext", "plain\ttext"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
            ("\x1b[38:5:9mred\x1b[m", "\x1b[38:5:9mred\x1b[m"),
            ("a\x1b[2Jb\x1b[H", "ab"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]52;c;aGk=\x1b\\x", "x"),
            ("\x1bP1$r\x1b\\x", "x"),
            ("\x1bcx", "x"),
            ("a\rb\x08c\x07", "abc"),
            ("\u{9b}2Jx", "2Jx"),
            ("\x1b[?25lx", "x"),
            ("\x1b[>4;1mx", "x"),
            ("cut \x1b[12", "cut "),
            ("cut \x1b", "cut "),
            ("\x1b\x1b[31mx", "\x1b[31mx"),
            ("grün ✓", "grün ✓"),
        ] {
            assert_eq!(sanitized(line), clean, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_drives_a_terminal_comes_through(line in "[\\x00-\\x1f\\[\\]Pm;0-9a-z\u{80}-\u{9f}]{0,40}") {
            let clean = sanitized(&line);
            let mut rest = clean.as_str();
            while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
                let (is_colour, taken) = sequence(&rest[at..]);
                prop_assert!(is_colour, "{:?} of {:?}", &rest[at..], line);
                rest = &rest[at + taken..];
            }
        }
    }
}
