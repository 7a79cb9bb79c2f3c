//! Lines on their way to the pusher's terminal.

/// The longest line that is passed on, in bytes.
const MAX_LINE: usize = 16 << 10;

/// Makes a line harmless to the pusher's terminal: of one that was overwritten in place only what
/// was last to be seen is left, and of that what a terminal may be shown.
pub(crate) fn harmless(line: &str) -> String {
    let line = line.trim_end_matches(['\r', '\n']);
    let mut last = line.rsplit('\r').next().unwrap_or(line);
    if last.len() > MAX_LINE {
        last = &last[..last.floor_char_boundary(MAX_LINE)];
    }
    noon_domain::tame(last)
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
            ("a\u{9b}2Jb", "a2Jb"),
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
