//! The frame: one line as it lies in a segment.
//!
//! Little-endian, each frame at a multiple of 8:
//!
//! | at | what |
//! | --- | --- |
//! | 0 | check sum of all that follows, u32 |
//! | 4 | length of the text, u32 |
//! | 8 | sequence number, u64 |
//! | 16 | microseconds since 1970, i64 |
//! | 24 | source: 0 app, 1 platform |
//! | 25 | flags: 1 stderr, 2 partial, 4 no newline, 8 split |
//! | 26 | length of the process's name, u8 |
//! | 27 | zero, 5 bytes |
//! | 32 | the name, the text, zeroes up to a multiple of 8 |

use noon_domain::{LogSource, Timestamp};

use crate::split::MAX_LINE_BYTES;

/// Bytes before the name.
pub(crate) const HEADER: usize = 32;
/// The longest name of a process that is kept, in bytes.
pub(crate) const MAX_NAME: usize = 255;
/// The longest frame.
pub(crate) const MAX_FRAME: usize = (HEADER + MAX_NAME + MAX_LINE_BYTES).next_multiple_of(8);

/// What is odd about a line; most have no flag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(u8);

impl Flags {
    /// A whole line from standard output.
    pub const NONE: Self = Self(0);
    /// It came from standard error.
    pub const STDERR: Self = Self(1);
    /// The collector stopped before the line's end; the rest may follow in a later record.
    pub const PARTIAL: Self = Self(2);
    /// The process ended without ending the line.
    pub const NO_NEWLINE: Self = Self(4);
    /// The line was too long; it goes on in the same process's next record.
    pub const SPLIT: Self = Self(8);

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) source: LogSource,
    pub(crate) flags: Flags,
    pub(crate) process: &'a [u8],
    pub(crate) text: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The bytes that it takes in a segment.
    pub(crate) const fn size(&self) -> usize {
        size(self.process.len(), self.text.len())
    }

    /// Writes the frame to the start of `to`, which has room for [`Frame::size`] bytes.
    pub(crate) fn encode(&self, to: &mut [u8]) {
        let to = &mut to[..self.size()];
        let text_at = HEADER + self.process.len();
        let text_end = text_at + self.text.len();
        to[4..8].copy_from_slice(&u32::try_from(self.text.len()).unwrap_or(0).to_le_bytes());
        to[8..16].copy_from_slice(&self.seq.to_le_bytes());
        to[16..24].copy_from_slice(&self.at.as_micros().to_le_bytes());
        to[24] = u8::from(self.source == LogSource::Platform);
        to[25] = self.flags.0;
        to[26] = u8::try_from(self.process.len()).unwrap_or(0);
        to[27..HEADER].fill(0);
        to[HEADER..text_at].copy_from_slice(self.process);
        to[text_at..text_end].copy_from_slice(self.text);
        to[text_end..].fill(0);
        let sum = check(&to[4..]);
        to[..4].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads the frame numbered `seq` from the start of `bytes`; `None` if no such frame lies
    /// there whole and unharmed.
    pub(crate) fn decode(bytes: &'a [u8], seq: u64) -> Option<Self> {
        let head = bytes.get(..HEADER)?;
        let text_len = usize::try_from(u32::from_le_bytes(array(head, 4))).ok()?;
        let name_len = usize::from(head[26]);
        let whole = bytes.get(..size(name_len, text_len))?;
        let is_good = u64::from_le_bytes(array(head, 8)) == seq
            && u32::from_le_bytes(array(head, 0)) == check(&whole[4..]);
        is_good.then(|| Self {
            seq,
            at: Timestamp::from_micros(i64::from_le_bytes(array(head, 16))),
            source: source(head[24]),
            flags: Flags(head[25]),
            process: &whole[HEADER..HEADER + name_len],
            text: &whole[HEADER + name_len..HEADER + name_len + text_len],
        })
    }
}

/// The bytes of a frame with a name and a text of these lengths.
const fn size(name: usize, text: usize) -> usize {
    (HEADER + name + text).next_multiple_of(8)
}

/// The source that a byte stands for.
pub(crate) const fn source(byte: u8) -> LogSource {
    match byte {
        0 => LogSource::App,
        _ => LogSource::Platform,
    }
}

/// The `N` bytes at `at`, which the caller knows to be there.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// A sum over `bytes`, fast rather than strong: it finds what a crash tears, not what a foe forges.
fn check(bytes: &[u8]) -> u32 {
    const A: u64 = 0x9E37_79B9_7F4A_7C15;
    const B: u64 = 0xD1B5_4A32_D192_ED03;
    let mut sums = [A ^ bytes.len() as u64, B];
    let mut fours = bytes.chunks_exact(32);
    for four in &mut fours {
        // Two chains that do not wait for each other.
        sums[0] = fold(word(&four[..8]) ^ sums[0], word(&four[8..16]) ^ B);
        sums[1] = fold(word(&four[16..24]) ^ sums[1], word(&four[24..]) ^ A);
    }
    for rest in fours.remainder().chunks(8) {
        sums[0] = fold(word(rest) ^ sums[0], A);
    }
    let sum = fold(sums[0] ^ B, sums[1] ^ A);
    u32::try_from(sum >> 32).unwrap_or(0) ^ u32::try_from(sum & 0xFFFF_FFFF).unwrap_or(0)
}

/// Up to eight bytes as a number.
fn word(bytes: &[u8]) -> u64 {
    if let Ok(whole) = bytes.try_into() {
        return u64::from_le_bytes(whole);
    }
    let mut padded = [0; 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(padded)
}

/// The product of two numbers, folded to 64 bits.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both halves of 128 bits are wanted"
    )]
    {
        (product as u64) ^ ((product >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample<'a>(process: &'a [u8], text: &'a [u8]) -> Frame<'a> {
        Frame {
            seq: 7,
            at: Timestamp::from_micros(-5),
            source: LogSource::Platform,
            flags: Flags::STDERR.with(Flags::SPLIT),
            process,
            text,
        }
    }

    #[test]
    fn zeroes_are_no_frame() {
        assert_eq!(Frame::decode(&[0; 4096], 0), None);
    }

    proptest! {
        #[test]
        fn a_frame_reads_back_as_it_was_written(
            seq: u64, at: i64, platform: bool, flags in 0u8..16,
            process in prop::collection::vec(any::<u8>(), 0..=MAX_NAME),
            text in prop::collection::vec(any::<u8>(), 0..2000),
            junk: u8,
        ) {
            let source = source(u8::from(platform));
            let at = Timestamp::from_micros(at);
            let flags = Flags(flags);
            let frame = Frame { seq, at, source, flags, process: &process, text: &text };
            let mut bytes = vec![junk; frame.size() + 100];
            frame.encode(&mut bytes);
            prop_assert_eq!(Frame::decode(&bytes, seq), Some(frame));
            prop_assert!(bytes[frame.size()..].iter().all(|b| *b == junk));
        }

        #[test]
        fn a_frame_with_any_changed_or_missing_byte_is_refused(
            text in prop::collection::vec(any::<u8>(), 0..300), place: prop::sample::Index, bit in 0..8,
        ) {
            let frame = sample(b"web.1", &text);
            let mut bytes = vec![0; frame.size()];
            frame.encode(&mut bytes);
            prop_assert_eq!(Frame::decode(&bytes[..place.index(bytes.len())], 7), None);
            let at = place.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert_eq!(Frame::decode(&bytes, 7), None);
        }
    }
}
