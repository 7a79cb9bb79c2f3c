//! Follows a chunked body to its end, strictly: what is not plainly chunked is refused, for a
//! lenient reader behind us might see another end.

/// Bytes that are no chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

/// Digits of a chunk's size.
const MAX_DIGITS: u32 = 15;
/// Bytes of one chunk's extensions.
const MAX_EXTENSION: usize = 256;
/// Bytes of all trailers.
const MAX_TRAILERS: usize = 16 * 1024;
/// Fields that change what a message is, and may not come after it.
const FORBIDDEN: [&str; 8] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "trailer",
    "transfer-encoding",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u32 },
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Name,
    Value,
    ValueLf,
    EndLf,
    Done,
}

/// Where a chunked body stands.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    left: u64,
    extension: usize,
    trailers: usize,
    name: Vec<u8>,
}

impl Chunked {
    /// Before the first chunk.
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Size { digits: 0 },
            left: 0,
            extension: 0,
            trailers: 0,
            name: Vec::new(),
        }
    }

    /// Whether the body has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Follows the body through these bytes; gives how many belong to it.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, BadChunk> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if self.state == State::Data {
                at += self.skip(bytes.len() - at);
            } else {
                self.state = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn skip(&mut self, there: usize) -> usize {
        let some = usize::try_from(self.left).map_or(there, |left| left.min(there));
        self.left -= some as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        some
    }

    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        match (self.state, byte) {
            (State::Size { digits }, _) => self.size(digits, byte),
            (State::Blank | State::Extension, _) => self.extension(byte),
            (State::SizeLf, b'\n') => Ok(self.after_size()),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { digits: 0 }),
            (State::LineStart, b'\r') => Ok(State::EndLf),
            (State::LineStart | State::Name | State::Value, _) => self.trailer(byte),
            (State::ValueLf, b'\n') => Ok(State::LineStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => Err(BadChunk),
        }
    }

    fn size(&mut self, digits: u32, byte: u8) -> Result<State, BadChunk> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if digits == MAX_DIGITS {
                return Err(BadChunk);
            }
            self.left = self.left << 4 | u64::from(digit);
            return Ok(State::Size { digits: digits + 1 });
        }
        if digits == 0 {
            return Err(BadChunk);
        }
        self.extension = 0;
        self.extension_start(byte)
    }

    fn extension_start(&self, byte: u8) -> Result<State, BadChunk> {
        match byte {
            b'\r' => Ok(State::SizeLf),
            b' ' | b'\t' => Ok(State::Blank),
            b';' => Ok(State::Extension),
            _ => Err(BadChunk),
        }
    }

    fn extension(&mut self, byte: u8) -> Result<State, BadChunk> {
        self.extension += 1;
        if self.extension > MAX_EXTENSION {
            return Err(BadChunk);
        }
        match (self.state, byte) {
            (State::Blank, _) => self.extension_start(byte),
            (_, b'\r') => Ok(State::SizeLf),
            (_, b'\t' | b' '..=b'~') => Ok(State::Extension),
            _ => Err(BadChunk),
        }
    }

    fn after_size(&self) -> State {
        if self.left == 0 {
            State::LineStart
        } else {
            State::Data
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, BadChunk> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS {
            return Err(BadChunk);
        }
        match (self.state, byte) {
            (State::Name, b':') => self.end_name(),
            (State::LineStart | State::Name, _) if is_token(byte) => {
                self.name.push(byte.to_ascii_lowercase());
                Ok(State::Name)
            }
            (State::Value, b'\r') => Ok(State::ValueLf),
            (State::Value, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::Value),
            _ => Err(BadChunk),
        }
    }

    fn end_name(&mut self) -> Result<State, BadChunk> {
        let is_forbidden = FORBIDDEN.iter().any(|name| name.as_bytes() == self.name);
        self.name.clear();
        if is_forbidden {
            Err(BadChunk)
        } else {
            Ok(State::Value)
        }
    }
}

/// Whether a byte may stand in a field name.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<(usize, bool), BadChunk> {
        let mut chunked = Chunked::new();
        chunked.take(bytes).map(|taken| (taken, chunked.is_done()))
    }

    #[test]
    fn good_bodies_end_where_they_end() {
        for (bytes, taken) in [
            (&b"0\r\n\r\nGET"[..], 5),
            (b"3\r\nabc\r\n0\r\n\r\n", 13),
            (b"A\r\n0123456789\r\n0\r\n\r\n", 20),
            (b"a\r\n0123456789\r\n00\r\n\r\n", 21),
            (b"1;x=\"a b\"\r\nz\r\n0\r\n\r\n", 19),
            (b"1 ;x\r\nz\r\n0\r\n\r\n", 14),
            (b"0\r\nX-Sum: 1\r\nY:\r\n\r\nGET", 19),
        ] {
            let shown = String::from_utf8_lossy(bytes);
            assert_eq!(read(bytes), Ok((taken, true)), "{shown}");
            assert_eq!(read(&bytes[..taken - 1]), Ok((taken - 1, false)), "{shown}");
        }
    }

    #[test]
    fn what_another_reader_might_read_otherwise_is_refused() {
        for bytes in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1\n",
            b"1\r\r",
            b"1 x\r\n",
            b"1\x0b\r\n",
            b"1\0\r\n",
            b"1;a\nb\r\n",
            b"1;a\x7f\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"1\r\na\r\r",
            b"0000000000000001\r\n",
            b"ffffffffffffffff\r\n",
            b"0\r\n folded\r\n",
            b"0\r\n: x\r\n",
            b"0\r\na b: x\r\n",
            b"0\r\nA: x\n",
            b"0\r\nA: \0\r\n",
            b"0\r\nNoColon\r\n",
            b"0\r\nContent-Length: 1\r\n\r\n",
            b"0\r\nTRANSFER-encoding: chunked\r\n\r\n",
            b"0\r\nHost: x\r\n\r\n",
        ] {
            assert_eq!(
                read(bytes),
                Err(BadChunk),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        assert_eq!(
            read(format!("1;{}", "x".repeat(257)).as_bytes()),
            Err(BadChunk)
        );
        let long = format!("0\r\nA: {}", "x".repeat(MAX_TRAILERS));
        assert_eq!(read(long.as_bytes()), Err(BadChunk));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn pieces_end_where_the_whole_does(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..5),
            piece in 1usize..20,
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            let mut chunked = Chunked::new();
            let mut taken = 0;
            for piece in bytes.chunks(piece) {
                taken += chunked.take(piece).unwrap();
            }
            prop_assert!(chunked.is_done());
            prop_assert_eq!(taken, bytes.len());
        }
    }
}
