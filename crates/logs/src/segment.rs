//! A segment: one file of a ring, named after its first sequence number.
//!
//! Its header is 128 bytes of little-endian words: magic, size, first sequence number, creation
//! time, end of the good bytes, next sequence number, state (0 open, 1 sealed, 2 removed), bytes
//! in flight (read from pipes and not yet kept); the rest is zero. Frames follow.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use noon_domain::Timestamp;
use rustix::fs::FallocateFlags;

use crate::frame::{Frame, MAX_FRAME};
use crate::map::{COMMITTED, HEADER, Map};

const MAGIC: u64 = u64::from_le_bytes(*b"noonlog1");
const MAGIC_AT: usize = 0;
const SIZE: usize = 8;
const FIRST: usize = 16;
const CREATED: usize = 24;
const NEXT: usize = 40;
const STATE: usize = 48;
const IN_FLIGHT: usize = 56;
const SUFFIX: &str = ".seg";
const PAGE: usize = 4096;
/// So many staged bytes are written at once.
pub(crate) const STAGE: usize = 64 * 1024;
/// A segment that stages no more than this keeps no more memory for it.
const SMALL_STAGE: usize = 4096;
/// No more sequence numbers than one for each of so many bytes fit a segment.
const SMALLEST_FRAME: u64 = 32;

/// Frames are appended to it.
const OPEN: u64 = 0;

/// Why nothing is appended to a segment any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The next one has what follows.
    Sealed = 1,
    /// The app is gone.
    Removed = 2,
}

/// The segments in a ring's directory, oldest first: first sequence number and path.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        found.extend(first_seq(&path).map(|first| (first, path)));
    }
    found.sort_unstable();
    Ok(found)
}

/// The same; a directory that is not there has none.
pub(crate) fn list_or_none(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    match list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed,
    }
}

fn path_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}{SUFFIX}"))
}

fn first_seq(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(SUFFIX)?.parse().ok()
}

/// A segment as its one writer has it.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    header: Map,
    size: u64,
    /// Where the frames end that readers see.
    end: u64,
    /// The number of the first staged frame.
    staged_from: u64,
    /// The number of the next frame.
    next: u64,
    /// Frames that readers do not see yet.
    staged: Vec<u8>,
}

/// What was found in a segment whose writer did not say goodbye.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Found {
    /// The sequence number to go on with: above all that were ever given out.
    pub(crate) next: u64,
    /// Frames that were good once and are damaged now; at most so many.
    pub(crate) damaged: u64,
    /// Bytes that were taken from pipes and never kept.
    pub(crate) in_flight: u64,
}

impl Segment {
    /// Makes a segment of `size` bytes, all of which the disk has promised.
    pub(crate) fn create(dir: &Path, first: u64, size: u64) -> io::Result<Self> {
        let path = path_of(dir, first);
        let draft = path.with_extension("new");
        let made = Self::draft(&draft, first, size).and_then(|segment| {
            fs::rename(&draft, &path)?;
            Ok(segment)
        });
        if made.is_err() {
            let _ = fs::remove_file(&draft);
        }
        made
    }

    fn draft(draft: &Path, first: u64, size: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        let file = options.open(draft)?;
        allocate(&file, size)?;
        // A written page is there when it is mapped; one that is not would have the kernel read the
        // whole segment ahead.
        file.write_all_at(&[0; PAGE], 0)?;
        let mut map = Map::header(&file)?;
        map.store(SIZE, size);
        map.store(FIRST, first);
        map.store(
            CREATED,
            u64::try_from(Timestamp::now().as_micros()).unwrap_or(0),
        );
        map.store(NEXT, first);
        map.store(COMMITTED, HEADER as u64);
        map.store(MAGIC_AT, MAGIC);
        Ok(Self::with(file, map, HEADER as u64, first))
    }

    fn with(file: File, header: Map, end: u64, next: u64) -> Self {
        let size = header.load(SIZE);
        let staged = Vec::new();
        Self {
            file,
            header,
            size,
            end,
            staged_from: next,
            next,
            staged,
        }
    }

    /// Opens the newest segment of a ring after a restart: finds the last good frame, and makes
    /// that the end.
    ///
    /// The segment can be appended to if nothing in it was damaged; else it is sealed.
    pub(crate) fn recover(path: &Path) -> io::Result<(Option<Self>, Found)> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let first = first_seq(path).ok_or(io::ErrorKind::InvalidData)?;
        let size = file.metadata()?.len();
        let most = size / SMALLEST_FRAME;
        let lost = Found {
            next: first.saturating_add(most),
            damaged: most,
            in_flight: 0,
        };
        let Ok(mut header) = Map::header(&file) else {
            return Ok((None, lost));
        };
        let is_ours = header.load(MAGIC_AT) == MAGIC && header.load(FIRST) == first;
        if !is_ours || header.load(SIZE) != size {
            header.store(STATE, Ending::Sealed as u64);
            return Ok((None, lost));
        }
        Self::mend(file, header)
    }

    fn mend(file: File, mut header: Map) -> io::Result<(Option<Self>, Found)> {
        let whole = Map::readable(&file)?;
        let (end, after) = last_good(whole.all(), header.load(FIRST));
        let next = header.load(NEXT).max(after);
        let in_flight = header.load(IN_FLIGHT);
        let found = Found {
            next,
            damaged: next - after,
            in_flight,
        };
        header.store(COMMITTED, end as u64);
        header.store(NEXT, next);
        // What was in flight stays noted until it is owned up to: a kill may come before that.
        if found.damaged > 0 || header.load(STATE) != OPEN {
            header.store(STATE, Ending::Sealed as u64);
            return Ok((None, found));
        }
        clear_torso(&file, &whole.all()[end..], end as u64)?;
        Ok((Some(Self::with(file, header, end as u64, next)), found))
    }

    /// The number of the next frame.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Where it lies, in the ring's directory.
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        path_of(dir, self.header.load(FIRST))
    }

    /// The size, in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Whether so many bytes fit.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.end + (self.staged.len() + bytes) as u64 <= self.size
    }

    /// Stages a frame that fits and is numbered [`Segment::next`]; says how many bytes are staged.
    pub(crate) fn stage(&mut self, frame: &Frame<'_>) -> usize {
        let at = self.staged.len();
        self.staged.resize(at + frame.size(), 0);
        frame.encode(&mut self.staged[at..]);
        self.next = frame.seq + 1;
        self.staged.len()
    }

    /// Writes what is staged; readers see it at once. If it cannot be written it is given up, and
    /// its numbers are given out again: the error comes with how many frames that were.
    pub(crate) fn flush(&mut self) -> Result<(), (io::Error, u64)> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all_at(&self.staged, self.end);
        let bytes = self.staged.len();
        self.staged.clear();
        if bytes < SMALL_STAGE {
            self.staged.shrink_to(SMALL_STAGE);
        }
        if let Err(error) = written {
            let lost = self.next - self.staged_from;
            self.next = self.staged_from;
            return Err((error, lost));
        }
        self.end += bytes as u64;
        self.staged_from = self.next;
        self.header.store(NEXT, self.next);
        self.header.store(COMMITTED, self.end);
        Ok(())
    }

    /// Notes how many bytes were read from pipes and are not yet kept.
    pub(crate) fn set_in_flight(&mut self, bytes: u64) {
        self.header.store(IN_FLIGHT, bytes);
    }

    /// Says that nothing will be appended any more.
    pub(crate) fn close(mut self, ending: Ending) {
        self.header.store(IN_FLIGHT, 0);
        self.header.store(STATE, ending as u64);
    }
}

/// Gives a file all its blocks, so that the mapping can be written without fear.
fn allocate(file: &File, size: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(file, size),
        done => Ok(done?),
    }
}

/// Does the same by writing, for file systems that cannot be asked.
fn fill(mut file: &File, size: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), size), &mut file).map(|_| ())
}

/// Overwrites what a kill left half-written, lest a later search take it for a frame.
fn clear_torso(file: &File, room: &[u8], at: u64) -> io::Result<()> {
    let stretch = &room[..room.len().min(STAGE + MAX_FRAME)];
    match stretch.iter().rposition(|byte| *byte != 0) {
        Some(last) => file.write_all_at(&vec![0; last + 1], at),
        None => Ok(()),
    }
}

/// Where the good frames from the start of `segment` end, and the number after the last.
fn last_good(segment: &[u8], first: u64) -> (usize, u64) {
    let (mut end, mut next) = (HEADER, first);
    while let Some(frame) = Frame::decode(&segment[end..], next) {
        end += frame.size();
        next += 1;
    }
    (end, next)
}

/// A segment as a reader has it: a place between two frames.
#[derive(Debug)]
pub(crate) struct View {
    map: Map,
    first: u64,
    at: usize,
    next: u64,
}

/// What a reader finds at its place.
pub(crate) enum Next<'a> {
    /// A frame; the place is now behind it.
    Frame(Frame<'a>),
    /// Nothing yet.
    Empty,
    /// Nothing ever: the next segment goes on.
    End,
    /// Nothing ever: the app is gone.
    Removed,
}

impl View {
    /// Opens a segment at its first frame.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let map = Map::readable(&File::open(path)?)?;
        let first = first_seq(path).ok_or(io::ErrorKind::InvalidData)?;
        if map.load(MAGIC_AT) != MAGIC || map.load(FIRST) != first {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self {
            map,
            first,
            at: HEADER,
            next: first,
        })
    }

    /// The number of the first frame.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// The number of the frame that will be appended next.
    pub(crate) fn end_seq(&self) -> u64 {
        self.map.load(NEXT)
    }

    /// Reads on. A damaged frame ends the good part of a segment.
    pub(crate) fn advance(&mut self) -> Next<'_> {
        let state = self.map.load(STATE);
        match Frame::decode(self.map.good(self.at), self.next) {
            Some(frame) => {
                self.at += frame.size();
                self.next += 1;
                Next::Frame(frame)
            }
            None if state == OPEN => Next::Empty,
            None if state == Ending::Removed as u64 => Next::Removed,
            None => Next::End,
        }
    }
}
