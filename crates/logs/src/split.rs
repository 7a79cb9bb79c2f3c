//! Cuts a stream of bytes into lines. Pure: any chunking of the same bytes gives the same lines.

/// The longest line that is kept in one record, in bytes; a longer one goes on in the next.
pub const MAX_LINE_BYTES: usize = 256 * 1024;

/// How a piece ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// With a line end, which is not part of the piece.
    Newline,
    /// Nowhere: the line is too long and goes on.
    TooLong,
}

/// Holds the line that is still open.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    open: Vec<u8>,
}

impl Splitter {
    /// The bytes of the line that is still open.
    pub(crate) fn open(&self) -> &[u8] {
        &self.open
    }

    /// Takes the next bytes of the stream and gives every piece that they end.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut emit: impl FnMut(&[u8], End)) {
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', bytes) {
            self.end_line(&bytes[start..newline], &mut emit);
            start = newline + 1;
        }
        self.keep_open(&bytes[start..], &mut emit);
    }

    /// Gives up the open line.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.open)
    }

    fn end_line(&mut self, tail: &[u8], emit: &mut impl FnMut(&[u8], End)) {
        if self.open.is_empty() {
            let rest = cut_long(tail, emit);
            emit(rest, End::Newline);
            return;
        }
        self.keep_open(tail, emit);
        emit(&self.open, End::Newline);
        self.open.clear();
        self.open.shrink_to(MAX_LINE_BYTES / 4);
    }

    fn keep_open(&mut self, tail: &[u8], emit: &mut impl FnMut(&[u8], End)) {
        let mut tail = tail;
        if self.open.is_empty() {
            tail = cut_long(tail, emit);
        }
        while self.open.len() + tail.len() > MAX_LINE_BYTES {
            let (now, later) = tail.split_at(tail.len().min(MAX_LINE_BYTES + 1 - self.open.len()));
            self.open.extend_from_slice(now);
            let cut = cut_at(&self.open);
            emit(&self.open[..cut], End::TooLong);
            self.open.drain(..cut);
            tail = later;
        }
        self.open.extend_from_slice(tail);
    }
}

/// Gives the pieces of `line` that are surely too long, and what is left of it.
fn cut_long<'a>(mut line: &'a [u8], emit: &mut impl FnMut(&[u8], End)) -> &'a [u8] {
    while line.len() > MAX_LINE_BYTES {
        let (piece, rest) = line.split_at(cut_at(line));
        emit(piece, End::TooLong);
        line = rest;
    }
    line
}

/// Where to cut a line of more than the longest: never inside a character of UTF-8.
fn cut_at(line: &[u8]) -> usize {
    let is_inside = |at: &usize| line[*at] & 0xC0 == 0x80;
    (MAX_LINE_BYTES - 3..=MAX_LINE_BYTES)
        .rev()
        .find(|at| !is_inside(at))
        .unwrap_or(MAX_LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<(Vec<u8>, End)>, Vec<u8>) {
        let mut splitter = Splitter::default();
        let mut pieces = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |piece, end| pieces.push((piece.to_vec(), end)));
        }
        (pieces, splitter.finish())
    }

    #[test]
    fn lines_are_cut_at_newlines_and_nowhere_else() {
        let (pieces, open) = split([&b"a\n\nb\r\n\0"[..], b"\xff", b"\ndone"]);
        let texts: Vec<_> = pieces.iter().map(|(text, _)| text.as_slice()).collect();
        assert_eq!(texts, [&b"a"[..], b"", b"b\r", b"\0\xff"]);
        assert!(pieces.iter().all(|(_, end)| *end == End::Newline));
        assert_eq!(open, b"done");
    }

    #[test]
    fn a_line_of_exactly_the_longest_is_whole() {
        let mut line = vec![b'x'; MAX_LINE_BYTES];
        line.push(b'\n');
        let (pieces, open) = split([&line[..1000], &line[1000..]]);
        assert_eq!(
            (pieces.len(), pieces[0].0.len(), pieces[0].1),
            (1, MAX_LINE_BYTES, End::Newline)
        );
        assert!(open.is_empty());
    }

    #[test]
    fn a_long_line_is_never_cut_inside_a_character() {
        let text = "é€𝄞".repeat(MAX_LINE_BYTES / 3);
        let (pieces, open) = split(text.as_bytes().chunks(4099));
        assert!(pieces.len() >= 2 && pieces.iter().all(|(_, end)| *end == End::TooLong));
        let mut joined = String::new();
        for piece in pieces.iter().map(|(piece, _)| piece).chain([&open]) {
            joined.push_str(std::str::from_utf8(piece).unwrap());
        }
        assert_eq!(joined, text);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_chunking_of_the_same_bytes_gives_the_same_lines(
            parts in prop::collection::vec((any::<u8>(), 0..200_000usize, any::<bool>()), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut bytes = Vec::new();
            for (byte, count, ends) in parts {
                bytes.extend(std::iter::repeat_n(byte, count));
                bytes.extend(ends.then_some(b'\n'));
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert!(split(chunks) == split([bytes.as_slice()]));
        }
    }
}
