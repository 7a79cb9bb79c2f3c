//! The mapped file: the only unsafe code of this room.
//!
//! One writer and any number of readers, in any processes, share a file. The word at
//! [`COMMITTED`] says how many bytes from the start are good: the writer stores it after it has
//! written the bytes themselves and never again changes what lies below it; readers load it first
//! and never look above it. The file has all its blocks before it is mapped and is never
//! shortened, so touching the mapping cannot fail.
//!
//! The writer maps the header alone and writes frames through the file: measured on ext4, that
//! costs a third of touching mapped pages, and a disk that fails says so instead of killing.
#![expect(
    unsafe_code,
    reason = "words shared by processes need a mapping, and reading it no copy"
)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

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
    /// Maps the header of a file for its one writer.
    pub(crate) fn header(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() < HEADER as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Self::checked(MmapOptions::new().len(HEADER).map_raw(file)?, true)
    }

    /// Maps a whole file to be read.
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

    /// All bytes, good or not: for the one writer before it begins to write.
    pub(crate) fn all(&self) -> &[u8] {
        self.slice(0, self.len())
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
        // nothing changes any more, or looked at by the only writer while it does not write.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(from), end - from) }
    }
}
