//! The ring of one app, as its writer has it: segments, of which the oldest go when it is full.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use noon_domain::{LogSource, Timestamp};

use crate::frame::{Flags, Frame, MAX_FRAME, MAX_NAME};
use crate::map::HEADER;
use crate::notice;
use crate::segment::{self, Ending, Found, STAGE, Segment};
use crate::split::MAX_LINE_BYTES;

/// The smallest segment that holds the longest line.
const LEAST: u64 = (HEADER + MAX_FRAME).next_multiple_of(4096) as u64;
/// Room for the line that tells of a trouble, and some more.
const AMPLE: usize = 4096;
/// How long to wait until the disk is asked for room again.
const RETRY: Duration = Duration::from_millis(500);

/// How much of an app's log is kept, in bytes on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingSize {
    /// The first segment: all that an app which says little ever takes.
    pub first: u64,
    /// Every further segment.
    pub segment: u64,
    /// All segments together.
    pub total: u64,
}

impl Default for RingSize {
    fn default() -> Self {
        Self {
            first: 1 << 20,
            segment: 4 << 20,
            total: 64 << 20,
        }
    }
}

impl RingSize {
    /// The same with room for the longest line in each segment, and for two segments in all.
    fn sound(self) -> Self {
        let first = self.first.max(LEAST);
        let segment = self.segment.max(LEAST);
        Self {
            first,
            segment,
            total: self.total.max(first + segment),
        }
    }
}

/// One line on its way into a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) at: Timestamp,
    pub(crate) source: LogSource,
    pub(crate) flags: Flags,
    pub(crate) process: &'a [u8],
    pub(crate) text: &'a [u8],
}

impl Entry<'_> {
    fn numbered(&self, seq: u64) -> Frame<'_> {
        Frame {
            seq,
            at: self.at,
            source: self.source,
            flags: self.flags,
            process: &self.process[..self.process.len().min(MAX_NAME)],
            text: &self.text[..self.text.len().min(MAX_LINE_BYTES)],
        }
    }
}

/// The disk gave no room: what it cost so far.
#[derive(Debug)]
struct Trouble {
    since: Timestamp,
    lost: u64,
    retry_at: Instant,
    why: String,
}

/// The ring of one app.
#[derive(Debug)]
pub(crate) struct Ring {
    dir: PathBuf,
    size: RingSize,
    is_open: bool,
    current: Option<Segment>,
    older: VecDeque<(PathBuf, u64)>,
    next: u64,
    in_flight: u64,
    trouble: Option<Trouble>,
}

impl Ring {
    /// A ring in a directory, which is opened when it is first needed.
    pub(crate) fn new(dir: PathBuf, size: RingSize) -> Self {
        Self {
            dir,
            size: size.sound(),
            is_open: false,
            current: None,
            older: VecDeque::new(),
            next: 1,
            in_flight: 0,
            trouble: None,
        }
    }

    /// Opens the ring, mends what a kill or a crash left, and says in the stream what it cost.
    fn ensure_open(&mut self) -> io::Result<()> {
        if self.is_open {
            return Ok(());
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)?;
        remove_drafts(&self.dir)?;
        self.older.clear();
        let found = self.recover()?;
        self.is_open = true;
        self.own_up(&found);
        Ok(())
    }

    fn recover(&mut self) -> io::Result<Found> {
        let mut segments = segment::list(&self.dir)?;
        let Some((_, newest)) = segments.pop() else {
            return Ok(Found {
                next: 1,
                ..Found::default()
            });
        };
        for (_, path) in segments {
            self.keep_older(path);
        }
        let (current, found) = Segment::recover(&newest)?;
        self.next = found.next;
        match current {
            Some(segment) => self.current = Some(segment),
            None => self.keep_older(newest),
        }
        Ok(found)
    }

    fn keep_older(&mut self, path: PathBuf) {
        let bytes = fs::metadata(&path).map_or(0, |meta| meta.len());
        self.older.push_back((path, bytes));
    }

    fn own_up(&mut self, found: &Found) {
        if found.damaged > 0 {
            tracing::warn!(dir = %self.dir.display(), frames = found.damaged, "a log segment was damaged");
            self.say(&notice::damaged(found.damaged));
        }
        if found.in_flight > 0 {
            // Said twice, if a kill comes in between, is better than never.
            self.in_flight = found.in_flight;
            self.say(&notice::in_flight(found.in_flight));
            self.flush();
            self.set_in_flight(0);
        }
    }

    /// Appends a line, which readers see after [`Ring::flush`], or counts it as lost if the disk
    /// has no room.
    pub(crate) fn append(&mut self, entry: &Entry<'_>) {
        if self.trouble.is_some() && !self.is_over() {
            return self.lose(1);
        }
        if !self.provide(entry.numbered(0).size()) {
            return self.lose(1);
        }
        if let Some(segment) = &mut self.current {
            let staged = segment.stage(&entry.numbered(segment.next()));
            self.next = segment.next();
            if staged >= STAGE {
                self.flush();
            }
        }
    }

    /// Shows readers what was appended.
    pub(crate) fn flush(&mut self) {
        let Some(segment) = &mut self.current else {
            return;
        };
        if let Err((error, lost)) = segment.flush() {
            self.next = segment.next();
            self.note_trouble(&error);
            self.lose(lost);
        }
    }

    /// Notes how many bytes were read from this app's pipes and are not yet kept, so that a kill
    /// can be owned up to.
    pub(crate) fn set_in_flight(&mut self, bytes: u64) {
        if bytes != self.in_flight {
            if self.current.is_none() && self.trouble.is_none() {
                self.provide(0);
            }
            self.in_flight = bytes;
            if let Some(segment) = &mut self.current {
                segment.set_in_flight(bytes);
            }
        }
    }

    /// The bytes read and not yet kept.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Removes the ring with all its files.
    pub(crate) fn remove(mut self) -> io::Result<()> {
        self.ensure_open()?;
        if let Some(segment) = self.current.take() {
            segment.close(Ending::Removed);
        }
        fs::remove_dir_all(&self.dir)
    }

    fn say(&mut self, text: &str) {
        self.append(&Entry {
            at: Timestamp::now(),
            source: LogSource::Platform,
            flags: Flags::NONE,
            process: notice::PROCESS.as_bytes(),
            text: text.as_bytes(),
        });
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.current
            .as_ref()
            .is_some_and(|segment| segment.has_room(bytes))
    }

    /// Sees to it that there is room; says whether there is.
    fn provide(&mut self, bytes: usize) -> bool {
        if self.has_room(bytes) {
            return true;
        }
        let provided = self.try_provide(bytes);
        if let Err(error) = &provided {
            self.note_trouble(error);
        }
        provided.is_ok()
    }

    fn try_provide(&mut self, bytes: usize) -> io::Result<()> {
        self.ensure_open()?;
        if !self.has_room(bytes) {
            self.flush();
            let segment = self.fresh()?;
            self.follow_with(segment);
        }
        Ok(())
    }

    /// Puts a fresh segment behind the current one.
    fn follow_with(&mut self, mut segment: Segment) {
        segment.set_in_flight(self.in_flight);
        if let Some(full) = self.current.replace(segment) {
            self.older.push_back((full.path(&self.dir), full.size()));
            full.close(Ending::Sealed);
        }
    }

    /// A fresh segment. A disk without room may still have room for a small one, or for one in
    /// place of the ring's own oldest.
    fn fresh(&mut self) -> io::Result<Segment> {
        let is_first = self.current.is_none() && self.older.is_empty();
        let wanted = if is_first {
            self.size.first
        } else {
            self.size.segment
        };
        self.make_room(wanted);
        loop {
            let small = wanted.min(self.size.first);
            let made = Segment::create(&self.dir, self.next, wanted)
                .or_else(|_| Segment::create(&self.dir, self.next, small));
            match made {
                Err(_) if self.drop_oldest() => {}
                done => return done,
            }
        }
    }

    /// Keeps to the total, `wanted` more bytes included.
    fn make_room(&mut self, wanted: u64) {
        let current = self.current.as_ref().map_or(0, Segment::size);
        let older = |ring: &Self| ring.older.iter().map(|(_, bytes)| bytes).sum::<u64>();
        while older(self) + current + wanted > self.size.total && self.drop_oldest() {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((path, _)) = self.older.pop_front() else {
            return false;
        };
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "an old log segment stays");
        }
        true
    }

    fn note_trouble(&mut self, error: &io::Error) {
        let retry_at = Instant::now() + RETRY;
        if let Some(trouble) = &mut self.trouble {
            trouble.retry_at = retry_at;
            return;
        }
        tracing::error!(dir = %self.dir.display(), %error, "no room for logs: lines are dropped and counted");
        let why = error.to_string();
        self.trouble = Some(Trouble {
            since: Timestamp::now(),
            lost: 0,
            retry_at,
            why,
        });
    }

    fn lose(&mut self, lines: u64) {
        if let Some(trouble) = &mut self.trouble {
            trouble.lost += lines;
        }
    }

    /// Whether the trouble has passed; if so, says what it cost.
    fn is_over(&mut self) -> bool {
        if self
            .trouble
            .as_ref()
            .is_some_and(|trouble| Instant::now() < trouble.retry_at)
        {
            return false;
        }
        if !self.provide(AMPLE) {
            return false;
        }
        let Some(trouble) = self.trouble.take() else {
            return true;
        };
        self.say(&notice::disk_full(
            trouble.lost,
            trouble.since,
            &trouble.why,
        ));
        self.flush();
        if let Some(again) = &mut self.trouble {
            // What told of the loss was lost itself, and is no loss.
            again.lost = (again.lost + trouble.lost).saturating_sub(1);
            again.since = trouble.since;
            return false;
        }
        tracing::info!(dir = %self.dir.display(), lines = trouble.lost, "there is room for logs again");
        true
    }
}

fn remove_drafts(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "new") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
