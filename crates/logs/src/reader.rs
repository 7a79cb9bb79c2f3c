//! Readers: history and tails, from the ring's files alone.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use noon_domain::AppId;

use crate::segment::{self, Next, View};
use crate::{Error, Filter, Record, Tail};

/// Where a tail begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// With the oldest line that is still kept.
    Oldest,
    /// With the next line to be written.
    Now,
    /// Behind the line of this number.
    After(u64),
}

/// Reads the log of one app; no collector is needed.
#[derive(Clone, Debug)]
pub struct Reader {
    dir: PathBuf,
}

impl Reader {
    /// A reader of an app's ring under the directory of all rings. An app that has no log yet has
    /// an empty one.
    ///
    /// # Errors
    /// [`Error::Read`] if there is a ring that this user may not read.
    pub fn open(dir: &Path, app: AppId) -> Result<Self, Error> {
        let reader = Self {
            dir: dir.join(app.to_string()),
        };
        reader.segments()?;
        Ok(reader)
    }

    /// The last `count` lines that match, oldest first.
    ///
    /// # Errors
    /// [`Error::Read`] if the ring cannot be read.
    pub fn history(&self, filter: &Filter, count: usize) -> Result<Vec<Record>, Error> {
        Ok(self.last(filter, count)?.0)
    }

    /// The last `count` lines that match, and a tail that goes on right behind them.
    ///
    /// # Errors
    /// [`Error::Read`] if the ring cannot be read.
    pub fn follow(&self, filter: &Filter, count: usize) -> Result<(Vec<Record>, Tail), Error> {
        let (records, next) = self.last(filter, count)?;
        Ok((records, Tail::new(self.dir.clone(), filter.clone(), next)))
    }

    /// A cursor that begins at `start`.
    ///
    /// # Errors
    /// [`Error::Read`] if the ring cannot be read.
    pub fn tail(&self, filter: &Filter, start: Start) -> Result<Tail, Error> {
        let next = match start {
            Start::After(seq) => seq + 1,
            Start::Oldest => self.segments()?.first().map_or(1, |(first, _)| *first),
            Start::Now => self.last(filter, 0)?.1,
        };
        Ok(Tail::new(self.dir.clone(), filter.clone(), next))
    }

    fn segments(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        let dir = self.dir.clone();
        segment::list_or_none(&self.dir).map_err(|source| Error::Read { dir, source })
    }

    /// The last matching lines, and the number behind the last line looked at.
    fn last(&self, filter: &Filter, count: usize) -> Result<(Vec<Record>, u64), Error> {
        let mut found = VecDeque::new();
        let mut next = None;
        for (first, path) in self.segments()?.into_iter().rev() {
            let mut view = match View::open(&path) {
                Ok(view) => view,
                Err(error) if is_unreadable(&error) => {
                    let dir = self.dir.clone();
                    return Err(Error::Read { dir, source: error });
                }
                // Overtaken, or damaged: there is nothing to be had of it.
                Err(_) => continue,
            };
            if count == 0 {
                return Ok((Vec::new(), view.end_seq().max(first)));
            }
            let (records, end) = last_of(&mut view, filter, count - found.len());
            next.get_or_insert(end);
            records
                .into_iter()
                .rev()
                .for_each(|record| found.push_front(record));
            if found.len() == count {
                break;
            }
        }
        Ok((found.into(), next.unwrap_or(1)))
    }
}

fn is_unreadable(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The last matching lines of one segment, oldest first, and the number behind its last line.
fn last_of(view: &mut View, filter: &Filter, count: usize) -> (VecDeque<Record>, u64) {
    let mut records = VecDeque::new();
    let mut end = view.first();
    while let Next::Frame(frame) = view.advance() {
        end = frame.seq + 1;
        if filter.matches(&frame) {
            if records.len() == count {
                records.pop_front();
            }
            records.push_back(Record::of(&frame));
        }
    }
    (records, end)
}
