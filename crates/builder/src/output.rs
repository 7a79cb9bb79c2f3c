//! What the pusher reads: lines in Heroku's manner, and nothing that could play tricks on a terminal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use noon_domain::{OutputFn, Stream};

use crate::builder::OutputLine;

/// The most characters of one line that are passed on.
const MAX_LINE: usize = 4096;
/// The most lines of steps that one build passes on.
const MAX_LINES: usize = 50_000;

/// Writes the output of one build.
#[derive(Clone)]
pub(crate) struct Reporter(Arc<Mutex<Sink>>);

struct Sink {
    out: OutputLine,
    lines: usize,
    pending: [Vec<u8>; 2],
    trouble: Option<Trouble>,
}

/// What a step complained of that is no fault of the app's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The disk was full.
    Disk,
    /// There was no way to the registry.
    Network,
}

impl Trouble {
    fn in_line(line: &str) -> Option<Self> {
        const DISK: [&str; 2] = ["No space left on device", "ENOSPC"];
        const NETWORK: [&str; 5] = [
            "EAI_AGAIN",
            "ENETUNREACH",
            "Temporary failure in name resolution",
            "dns error",
            "tcp connect error",
        ];
        let has = |signs: &[&str]| signs.iter().any(|sign| line.contains(sign));
        if has(&DISK) {
            Some(Self::Disk)
        } else {
            has(&NETWORK).then_some(Self::Network)
        }
    }
}

impl Reporter {
    pub(crate) fn new(out: OutputLine) -> Self {
        Self(Arc::new(Mutex::new(Sink {
            out,
            lines: 0,
            pending: Default::default(),
            trouble: None,
        })))
    }

    /// A headline.
    pub(crate) fn step(&self, text: &str) {
        (self.sink().out)(&format!("-----> {text}"));
    }

    /// A line below a headline.
    pub(crate) fn detail(&self, text: &str) {
        (self.sink().out)(&format!("       {text}"));
    }

    /// A warning.
    pub(crate) fn warn(&self, text: &str) {
        (self.sink().out)(&format!(" !     {text}"));
    }

    /// Takes what a step prints, as it comes.
    pub(crate) fn capture(&self) -> OutputFn {
        let reporter = self.clone();
        Box::new(move |stream, bytes| reporter.sink().take(stream, bytes))
    }

    /// Ends a step's output: passes on what had no newline, and tells what the step complained of.
    pub(crate) fn end_capture(&self) -> Option<Trouble> {
        let mut sink = self.sink();
        for index in 0..2 {
            let rest = std::mem::take(&mut sink.pending[index]);
            if !rest.is_empty() {
                sink.line(&rest);
            }
        }
        sink.trouble.take()
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let index = usize::from(stream == Stream::Stderr);
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.pending[index].extend_from_slice(part);
            let full = self.pending[index].len() > 4 * MAX_LINE;
            if part.ends_with(b"\n") || full {
                let line = std::mem::take(&mut self.pending[index]);
                self.line(&line);
            }
        }
    }

    fn line(&mut self, raw: &[u8]) {
        self.lines += 1;
        if self.lines > MAX_LINES {
            if self.lines == MAX_LINES + 1 {
                (self.out)(" !     Output is cut here: a build shows 50000 lines");
            }
            return;
        }
        let text = clean(raw);
        self.trouble = self.trouble.or_else(|| Trouble::in_line(&text));
        (self.out)(format!("       {text}").trim_end());
    }
}

/// One line as a terminal may safely show it: colours stay, all other control sequences go, and of
/// a line that was rewritten in place only the last state is left.
pub(crate) fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let text = text.trim_end_matches(['\n', '\r']);
    let last = text
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or("");
    let mut cleaned = noon_domain::tame(last);
    if let Some((end, _)) = cleaned.char_indices().nth(MAX_LINE) {
        cleaned.truncate(end);
        cleaned.push('…');
    }
    if leaves_colour_on(&cleaned) {
        cleaned.push_str("\x1b[0m");
    }
    cleaned
}

/// Whether the last colour that was set is not taken back.
fn leaves_colour_on(line: &str) -> bool {
    let last = line.rsplit_once('\x1b').map(|(_, after)| after);
    last.is_some_and(|after| !after.starts_with("[m") && !after.starts_with("[0m"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_colours_are_left_of_control_sequences() {
        for (raw, expected) in [
            ("plain\ttext\r\n", "plain\ttext"),
            ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
            ("\x1b[1;31mopen", "\x1b[1;31mopen\x1b[0m"),
            ("a\x1b[2Jb\x1b[10;10Hc", "abc"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\b", "ab"),
            ("a\x1bPpayload\x1b\\b", "ab"),
            ("a\x1b(Bb\x1bcd", "abd"),
            ("10%\r50%\r100%\r\n", "100%"),
            ("bell\x07 back\x08 del\x7f nul\0", "bell back del nul"),
            ("c1 \u{9b}31m", "c1 31m"),
            ("bidi \u{202e}x", "bidi x"),
            ("cut \x1b[3", "cut "),
            ("a\x1b[?25lb", "ab"),
        ] {
            assert_eq!(clean(raw.as_bytes()), expected, "{raw:?}");
        }
    }

    #[test]
    fn lines_are_cut_whole_from_both_streams_and_bounded() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        let reporter = Reporter::new(Box::new(move |line| {
            seen.lock().unwrap().push(line.to_owned())
        }));
        let mut take = reporter.capture();
        take(Stream::Stdout, b"one\ntw");
        take(Stream::Stderr, b"err: No space left on device\n");
        take(Stream::Stdout, b"o\nthree");
        take(Stream::Stderr, "x".repeat(100_000).as_bytes());
        assert_eq!(reporter.end_capture(), Some(Trouble::Disk));
        assert_eq!(reporter.end_capture(), None);
        let lines = lines.lock().unwrap();
        let starts = [
            "       one",
            "       err: No",
            "       two",
            "       xxx",
            "       three",
        ];
        for start in starts {
            assert!(
                lines.iter().any(|l| l.starts_with(start)),
                "{start} in {lines:?}"
            );
        }
        assert!(lines.iter().all(|l| l.chars().count() <= MAX_LINE + 8));
    }

    proptest! {
        #[test]
        fn nothing_that_a_step_prints_reaches_the_terminal_as_control(
            raw in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x1b), Just(b'['), Just(b'm')], 0..300)
        ) {
            let shown = clean(&raw);
            prop_assert_eq!(noon_domain::tame(&shown), shown);
        }
    }
}
