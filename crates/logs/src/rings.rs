//! The rings of all apps, as the collector has them.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use noon_domain::{AppId, LogLine};
use rustix::fs::FlockOperation;

use crate::Error;
use crate::frame::Flags;
use crate::ring::{Entry, Ring, RingSize};

/// The rings of all apps, opened when first needed.
#[derive(Debug)]
pub(crate) struct Rings {
    dir: PathBuf,
    size: RingSize,
    rings: HashMap<AppId, Ring>,
    forgotten: HashSet<AppId>,
    /// Apps with lines of the platform that readers do not see yet.
    unseen: HashSet<AppId>,
    /// Held open: while it is locked, nobody else writes rings here.
    _lock: File,
}

impl Rings {
    /// Takes the directory for itself.
    pub(crate) fn lock(dir: PathBuf, size: RingSize) -> Result<Self, Error> {
        let lock = match lock_patiently(&dir) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Err(Error::Busy(dir)),
            Err(source) => return Err(Error::Directory { dir, source }),
        };
        let (rings, forgotten, unseen) = (HashMap::new(), HashSet::new(), HashSet::new());
        Ok(Self {
            dir,
            size,
            rings,
            forgotten,
            unseen,
            _lock: lock,
        })
    }

    /// The ring of an app; `None` if the app is gone.
    pub(crate) fn of(&mut self, app: AppId) -> Option<&mut Ring> {
        if self.forgotten.contains(&app) {
            return None;
        }
        let ring = || Ring::new(self.dir.join(app.to_string()), self.size);
        Some(self.rings.entry(app).or_insert_with(ring))
    }

    /// Keeps a line of the platform, which readers see after [`Rings::flush`].
    pub(crate) fn keep(&mut self, line: &LogLine) {
        let Some(ring) = self.of(line.app) else {
            return;
        };
        ring.append(&Entry {
            at: line.at,
            source: line.source,
            flags: Flags::NONE,
            process: line.process.as_bytes(),
            text: line.text.as_bytes(),
        });
        self.unseen.insert(line.app);
    }

    /// Shows readers the lines of the platform.
    pub(crate) fn flush(&mut self) {
        for app in self.unseen.drain() {
            if let Some(ring) = self.rings.get_mut(&app) {
                ring.flush();
            }
        }
    }

    /// Removes an app's ring, for ever: identities of apps are never used twice.
    pub(crate) fn forget(&mut self, app: AppId) {
        self.of(app);
        let removed = self.rings.remove(&app).map_or(Ok(()), Ring::remove);
        if let Err(error) = removed {
            tracing::warn!(%app, %error, "the log of a destroyed app could not be removed");
        }
        self.forgotten.insert(app);
    }
}

/// How long a collector that is on its way out may take to let go.
const PATIENCE: Duration = Duration::from_secs(2);

/// The locked file, of which a collector that was just killed may let go a moment later; a child
/// that is being started elsewhere in the process holds all descriptors for a moment, too.
fn lock_patiently(dir: &PathBuf) -> io::Result<Option<File>> {
    let since = Instant::now();
    loop {
        match lock(dir)? {
            None if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            outcome => return Ok(outcome),
        }
    }
}

/// The locked file; `None` if somebody else holds the lock.
fn lock(dir: &PathBuf) -> io::Result<Option<File>> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("lock"))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
