//! A tail: a cursor into a ring that goes on as lines come.

use std::path::PathBuf;

use noon_domain::{LogSource, Stream, Timestamp};

use crate::segment::{self, Next, View};
use crate::{Filter, Flags, Record, notice};

/// The most events that one poll gives.
const MOST: usize = 1000;
/// One poll gives no more once it holds so many bytes of text.
const MOST_BYTES: usize = 4 << 20;

/// What a tail gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A line that matches.
    Record(Record),
    /// Lines that were there and are gone, because this reader was too slow or they were damaged.
    Gap(Gap),
}

/// Lines that a tail missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// How many, whether they would have matched or not. Exact.
    pub lost: u64,
    /// The time of the last line before the gap, or when the tail was opened.
    pub since: Timestamp,
}

impl Gap {
    /// The line that tells of it: `Error L11 (Tail buffer overflow) -> …`.
    pub fn record(&self) -> Record {
        Record {
            seq: 0,
            at: Timestamp::now(),
            source: LogSource::Platform,
            process: notice::PROCESS.to_owned(),
            stream: Stream::Stdout,
            text: notice::overtaken(self.lost, self.since).into_bytes(),
            flags: Flags::NONE,
        }
    }
}

/// A cursor into the ring of one app. It holds no more than one segment mapped.
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    filter: Filter,
    view: Option<View>,
    done: Option<u64>,
    next: u64,
    seen: Timestamp,
    is_over: bool,
}

/// Where a step led.
enum Step {
    Went,
    Waits,
}

impl Tail {
    /// A cursor before the line numbered `next`.
    pub(crate) fn new(dir: PathBuf, filter: Filter, next: u64) -> Self {
        let seen = Timestamp::now();
        Self {
            dir,
            filter,
            view: None,
            done: None,
            next,
            seen,
            is_over: false,
        }
    }

    /// What has come since the last poll: at most 1000 events, none if there is nothing new.
    /// Does not wait; without news it costs two loads from memory.
    pub fn poll(&mut self) -> Vec<Event> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < MOST && bytes < MOST_BYTES && !self.is_over {
            let before = events.len();
            if let Step::Waits = self.step(&mut events) {
                break;
            }
            bytes += events[before..].iter().map(size).sum::<usize>();
        }
        events
    }

    /// The number of the line that comes next; a tail begun after the one before it goes on here.
    pub const fn next_seq(&self) -> u64 {
        self.next
    }

    /// Whether the app's log was removed, so that nothing will come any more.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    fn step(&mut self, events: &mut Vec<Event>) -> Step {
        let Some(view) = &mut self.view else {
            return self.open_next(events);
        };
        match view.advance() {
            Next::Frame(frame) if frame.seq >= self.next => {
                self.next = frame.seq + 1;
                self.seen = frame.at;
                if self.filter.matches(&frame) {
                    events.push(Event::Record(Record::of(&frame)));
                }
                Step::Went
            }
            Next::Frame(_) => Step::Went,
            Next::Empty => Step::Waits,
            Next::End => {
                self.done = Some(view.first());
                self.view = None;
                Step::Went
            }
            Next::Removed => {
                self.is_over = true;
                Step::Waits
            }
        }
    }

    /// Opens the segment that goes on; if it begins further on, lines were lost.
    fn open_next(&mut self, events: &mut Vec<Event>) -> Step {
        let segments = segment::list_or_none(&self.dir).unwrap_or_default();
        self.is_over = self.done.is_some() && segments.is_empty();
        let behind = segments.partition_point(|(first, _)| *first <= self.next);
        let is_fresh = |at: &usize| self.done.is_none_or(|done| done < segments[*at].0);
        let Some(at) = (behind.saturating_sub(1)..segments.len()).find(is_fresh) else {
            return Step::Waits;
        };
        let (first, path) = &segments[at];
        match View::open(path) {
            Ok(view) => self.enter(view, events),
            // Damaged beyond its header: the one behind it tells how much was lost.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                self.done = Some(*first);
            }
            // Gone while we looked: look again.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => return Step::Waits,
        }
        Step::Went
    }

    fn enter(&mut self, view: View, events: &mut Vec<Event>) {
        let first = view.first();
        if first > self.next {
            let lost = first - self.next;
            events.push(Event::Gap(Gap {
                lost,
                since: self.seen,
            }));
            self.next = first;
        }
        self.view = Some(view);
    }
}

fn size(event: &Event) -> usize {
    match event {
        Event::Record(record) => record.text.len(),
        Event::Gap(_) => 0,
    }
}
