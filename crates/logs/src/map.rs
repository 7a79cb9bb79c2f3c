//! The mapped file: the only unsafe code of this room.
//!
//! One writer and any number of readers, in any processes, share a file. The word at
//! [`COMMITTED`] says how many bytes from the start are good: the writer stores it after the bytes
//! themselves and never again changes what lies below it; readers load it first and never look
//! above it. The file has all its blocks before it is mapped and is never shortened, so touching
//! the mapping cannot fail.
#![expect(
    unsafe_code,
    reason = "a mapping shared by processes is measured to be the fastest store"
)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Where the header ends and frames begin.
pub(crate) const HEADER: usize = 128;
/// Where the word lies that says how many bytes are good.
pub(crate) const COMMITTED: usize = 32;

/// A mapped segment.
#[derive(Debug)]
pub(crate) struct Map {
    raw: MmapRaw,
    is_writable: bool,
}

impl Map {
    /// Maps a file for its one writer.
    pub(crate) fn writable(file: &File) -> io::Result<Self> {
        Self::checked(MmapOptions::new().map_raw(file)?, true)
    }

    /// Maps a file for a reader.
    pub(crate) fn readable(file: &File) -> io::Result<Self> {
        Self::checked(MmapOptions::new().map_raw_read_only(file)?, false)
    }

    fn checked(raw: MmapRaw, is_writable: bool) -> io::Result<Self> {
        if raw.len() < HEADER {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { raw, is_writable })
    }

    /// The size of the file, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    /// Loads a word of the header, and with it all that was written before it was stored.
    pub(crate) fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }

    /// Stores a word of the header after all that was written before.
    pub(crate) fn store(&mut self, at: usize, value: u64) {
        assert!(self.is_writable, "only the writer stores");
        self.word(at).store(value, Ordering::Release);
    }

    /// How many bytes from the start are good.
    pub(crate) fn committed(&self) -> usize {
        usize::try_from(self.load(COMMITTED)).map_or(self.len(), |end| end.min(self.len()))
    }

    /// The good bytes, header left out.
    pub(crate) fn good(&self, from: usize) -> &[u8] {
        let end = self.committed();
        let from = from.clamp(HEADER, end.max(HEADER));
        self.slice(from, end.max(from))
    }

    /// All bytes from `from`, for the writer, which alone may look at what is not yet good.
    pub(crate) fn all(&mut self, from: usize) -> &[u8] {
        self.slice(from.min(self.len()), self.len())
    }

    /// The room behind the good bytes, for the writer.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        assert!(self.is_writable, "only the writer writes");
        let from = self.committed().max(HEADER);
        // SAFETY: the range lies in the mapping and above what readers look at; `&mut self` and
        // the lock on the log directory make this the only writer.
        unsafe {
            std::slice::from_raw_parts_mut(self.raw.as_mut_ptr().add(from), self.len() - from)
        }
    }

    /// Has pages behind the good bytes made ready to be written, as one act instead of one
    /// interrupt for each. A kernel that cannot is not missed.
    pub(crate) fn prepare(&mut self, from: usize, bytes: usize) {
        let bytes = bytes.min(self.len().saturating_sub(from));
        let _ = self.raw.advise_range(Advice::PopulateWrite, from, bytes);
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(
            at.is_multiple_of(8) && at + 8 <= HEADER,
            "words lie in the header"
        );
        // SAFETY: the word lies inside the mapping, is aligned (mappings begin at a page), and is
        // only ever accessed as an atomic, by all processes. Loads of a read-only mapping are
        // plain loads on 64-bit machines.
        unsafe { AtomicU64::from_ptr(self.raw.as_mut_ptr().add(at).cast()) }
    }

    fn slice(&self, from: usize, end: usize) -> &[u8] {
        assert!(
            from <= end && end <= self.len(),
            "the range lies in the mapping"
        );
        // SAFETY: the range lies in the mapping; it is either below the committed mark, where
        // nothing changes any more, or asked for through `&mut self` by the only writer.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(from), end - from) }
    }
}
