//! Text of apps on its way to somebody's terminal.

/// The text without what a terminal would obey: of control characters only tabs are left, of escape
/// sequences only colours and weights (SGR). An app's output must not move the reader's cursor,
/// rename the window, write the clipboard, answer queries in the reader's name, or turn the
/// direction of the text around it.
pub fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_unsafe) {
        tamed.push_str(&rest[..at]);
        let after = &rest[at..];
        let (is_kept, length) = if after.starts_with('\x1b') {
            escape(after)
        } else {
            one(after)
        };
        if is_kept {
            tamed.push_str(&after[..length]);
        }
        rest = &after[length..];
    }
    tamed.push_str(rest);
    tamed
}

/// Controls of either set but tabs, and the marks that turn the direction of text.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn one(text: &str) -> (bool, usize) {
    (false, text.chars().next().map_or(0, char::len_utf8))
}

/// Whether the escape sequence at the front is kept, and its length in bytes.
fn escape(text: &str) -> (bool, usize) {
    match text.as_bytes().get(1) {
        Some(b'[') => control_sequence(text),
        Some(b']' | b'P' | b'X' | b'^' | b'_') => (false, string(text)),
        Some(b' '..=b'/') => (false, with_intermediates(text)),
        Some(b'0'..=b'~') => (false, 2),
        _ => (false, 1),
    }
}

/// `ESC [ parameters final`: kept where it only sets colours.
fn control_sequence(text: &str) -> (bool, usize) {
    let body = &text.as_bytes()[2..];
    let inner = body
        .iter()
        .take_while(|b| (b' '..=b'?').contains(b))
        .count();
    let is_plain = body[..inner]
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b';' | b':'));
    match body.get(inner) {
        Some(b'm') => (is_plain, inner + 3),
        Some(b'@'..=b'~') => (false, inner + 3),
        _ => (false, inner + 2),
    }
}

/// `ESC intermediates final`, such as the choice of a character set.
fn with_intermediates(text: &str) -> usize {
    let body = &text.as_bytes()[1..];
    let inner = body
        .iter()
        .take_while(|b| (b' '..=b'/').contains(b))
        .count();
    1 + inner + usize::from(body.get(inner).is_some_and(|b| (b'0'..=b'~').contains(b)))
}

/// A string to the terminal itself: up to BEL or ESC \, or else to the end.
fn string(text: &str) -> usize {
    let bell = text.find('\x07').map(|at| at + 1);
    let terminator = text[2..].find("\x1b\\").map(|at| at + 4);
    bell.into_iter()
        .chain(terminator)
        .min()
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::tame;

    #[test]
    fn colours_and_tabs_stay_and_all_else_goes() {
        for (given, expected) in [
            ("plain é\ttext ✓", "plain é\ttext ✓"),
            ("\x1b[1;31mred\x1b[0m\x1b[m", "\x1b[1;31mred\x1b[0m\x1b[m"),
            ("\x1b[38:2::1:2:3mtrue", "\x1b[38:2::1:2:3mtrue"),
            ("a\x1b[2Jb\x1b[10;10Hc\x1b[?25ld\x1b[>4;1me", "abcde"),
            (
                "\x1b]0;title\x07x\x1b]52;c;AAAA\x1b\\y\x1b]8;;http://x\x1b\\z",
                "xyz",
            ),
            ("\x1bPq\x1b\\z\x1b(B\x1b7w\x1bcv", "zwv"),
            ("50%\r60%\x08\x00\x07\x7f\u{9b}31m", "50%60%31m"),
            ("bidi \u{202e}x\u{2066}", "bidi x"),
            ("\x1b\x1b[31mx", "\x1b[31mx"),
            ("end\x1b", "end"),
            ("end\x1b[", "end"),
            ("end\x1b[31", "end"),
            ("end\x1b]0;never", "end"),
        ] {
            assert_eq!(tame(given), expected, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_has_escapes_only_in_colours(
            text in "[\\x00-\\x7f\u{80}-\u{9f}\u{202a}-\u{202e}é]{0,60}"
        ) {
            let tamed = tame(&text);
            for after in tamed.split('\x1b').skip(1) {
                let (parameters, _) = after.split_once('m').expect("every escape ends");
                let parameters = parameters.strip_prefix('[').expect("it is a control sequence");
                prop_assert!(parameters.bytes().all(|b| b.is_ascii_digit() || b";:".contains(&b)));
            }
            prop_assert!(tamed.chars().all(|c| !c.is_control() || c == '\t' || c == '\x1b'));
        }

        #[test]
        fn taming_twice_changes_nothing(text in ".{0,60}") {
            let once = tame(&text);
            prop_assert_eq!(tame(&once), once);
        }
    }
}
