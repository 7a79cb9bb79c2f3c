//! Lines on their way to the pusher's terminal.

/// The longest line that is passed on, in bytes.
const MAX_LINE: usize = 16 << 10;

/// Makes a line harmless to a terminal: of all control sequences only colours (SGR) and tabs
/// pass, and of a line that was overwritten in place only what was last to be seen.
pub(crate) fn harmless(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let mut rest = line.rsplit('\r').next().unwrap_or(line);
    let mut clean = String::with_capacity(rest.len());
    while let Some(first) = rest.chars().next() {
        if clean.len() >= MAX_LINE {
            break;
        }
        let (length, shown) = match first {
            '\x1b' => escape(rest),
            '\u{9b}' => (csi_length(rest, first.len_utf8()), false),
            '\t' => (1, true),
            _ => (first.len_utf8(), !first.is_control()),
        };
        if shown {
            clean.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    clean
}

/// The length of the escape sequence that `text` starts with, and whether it is a colour.
fn escape(text: &str) -> (usize, bool) {
    match text[1..].chars().next() {
        Some('[') => {
            let length = csi_length(text, 2);
            (length, is_colour(&text[2..length]))
        }
        Some(']' | 'P' | 'X' | '^' | '_') => (string_length(text), false),
        Some(second) if second.is_ascii_graphic() => (2, false),
        _ => (1, false),
    }
}

/// Whether a sequence, without its introducer, sets colours or weight and does nothing else.
fn is_colour(body: &str) -> bool {
    body.strip_suffix('m').is_some_and(|parameters| {
        parameters
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b';' | b':'))
    })
}

/// Parameters and intermediates run up to one final byte `@`..`~`.
fn csi_length(text: &str, introducer: usize) -> usize {
    let body = &text.as_bytes()[introducer..];
    let inner = body.iter().take_while(|b| matches!(b, 0x20..=0x3f)).count();
    let last = usize::from(body.get(inner).is_some_and(|b| matches!(b, 0x40..=0x7e)));
    introducer + inner + last
}

/// Strings (titles, clipboards) run up to BEL or ESC \, or else to the line's end.
fn string_length(text: &str) -> usize {
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

    use super::harmless;

    #[test]
    fn only_colours_and_tabs_pass() {
        for (line, expected) in [
            ("plain\ttext", "plain\ttext"),
            ("\x1b[1;32mgreen\x1b[0m", "\x1b[1;32mgreen\x1b[0m"),
            ("\x1b[38:5:1mcolon\x1b[m", "\x1b[38:5:1mcolon\x1b[m"),
            ("a\x1b[2Jb", "ab"),
            ("a\x1b[?25lb", "ab"),
            ("a\x1b[>4;2mb", "ab"),
            ("\x1b]0;title\x07b", "b"),
            ("\x1b]52;c;aGk=\x1b\\b", "b"),
            ("\x1bPdevice\x1b\\b", "b"),
            ("\x1b]never ends", ""),
            ("a\x1bcb", "ab"),
            ("a\u{9b}2Jb", "ab"),
            ("a\x07\x08b\x7f", "ab"),
            ("10 %\r50 %\r100 %\r", "100 %"),
            ("a\x1b", "a"),
            ("a\x1b[", "a"),
            ("grün ✓", "grün ✓"),
        ] {
            assert_eq!(harmless(line), expected, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_passes_again_and_holds_no_other_control(line in ".*|(\\x1b\\[|\\x1b\\]|[0-9;m\\x07\\x1b\\\\é])*") {
            let once = harmless(&line);
            prop_assert_eq!(&harmless(&once), &once);
            let bare = once.replace("\x1b[", "").replace('\t', "");
            prop_assert!(!bare.chars().any(char::is_control), "{:?}", once);
        }
    }
}
