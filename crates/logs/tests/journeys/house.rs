//! What the journeys share: a log directory with a collector in it, and processes' pipes.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use noon_domain::{AppId, LogLine, LogSource, Stream, Timestamp};
use noon_logs::{
    Client, Collector, Event, Filter, Pipe, Reader, Record, RingSize, Settings, Start, Stop, Tail,
};

/// The holder of pipes: what the shims are in a whole house.
#[derive(Clone, Default)]
pub struct Holder(Arc<Mutex<Vec<(OwnedFd, AppId, String)>>>);

impl Holder {
    /// Starts a "process": gives the end that it writes to.
    pub fn start(&self, app: AppId, process: &str) -> File {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        self.0
            .lock()
            .unwrap()
            .push((reader, app, process.to_owned()));
        File::from(writer)
    }

    pub fn pipes(&self) -> Vec<Pipe> {
        let held = self.0.lock().unwrap();
        let pipe = |(fd, app, process): &(OwnedFd, AppId, String)| Pipe {
            fd: fd.try_clone().unwrap(),
            app: *app,
            process: process.clone(),
            stream: Stream::Stdout,
        };
        held.iter().map(pipe).collect()
    }
}

pub struct House {
    pub dir: PathBuf,
    pub socket: PathBuf,
    pub holder: Holder,
    pub ring: RingSize,
    running: Option<(Stop, JoinHandle<()>)>,
    thread: Option<rustix::thread::Pid>,
    home: Option<tempfile::TempDir>,
}

pub const SMALL: RingSize = RingSize {
    first: 1 << 19,
    segment: 1 << 19,
    total: 1 << 20,
};

impl House {
    pub fn new(ring: RingSize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut house = Self::at(home.path().join("logs"), home.path(), ring);
        house.home = Some(home);
        house
    }

    pub fn at(dir: PathBuf, run: &Path, ring: RingSize) -> Self {
        let socket = run.join("logs.sock");
        Self {
            dir,
            socket,
            holder: Holder::default(),
            ring,
            running: None,
            thread: None,
            home: None,
        }
    }

    pub fn start(&mut self) {
        let stop = Stop::new().unwrap();
        let settings = Settings {
            dir: self.dir.clone(),
            socket: self.socket.clone(),
            ring: self.ring,
        };
        let (holder, word) = (self.holder.clone(), stop.clone());
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid()).unwrap();
            Collector::run(settings, move || holder.pipes(), &word).unwrap();
        });
        self.thread = told.recv().ok();
        self.running = Some((stop, thread));
    }

    /// Whether the collector's thread sleeps, at thirty looks of which a busy one fails most.
    pub fn is_resting(&self) -> bool {
        let thread = self.thread.unwrap().as_raw_nonzero();
        let state = || std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
        (0..30).all(|_| {
            std::thread::sleep(Duration::from_millis(1));
            state().contains(") S ")
        })
    }

    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.now();
            thread.join().unwrap();
        }
    }

    pub fn reader(&self, app: AppId) -> Reader {
        Reader::open(&self.dir, app).unwrap()
    }

    pub fn all(&self, app: AppId) -> Vec<Record> {
        self.reader(app)
            .history(&Filter::default(), usize::MAX)
            .unwrap()
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket).unwrap()
    }

    /// Waits until the app's log holds `count` lines.
    pub fn wait_for(&self, app: AppId, count: usize) -> Vec<Record> {
        let what = format!("{count} lines");
        wait(&what, || {
            Some(self.all(app)).filter(|records| records.len() >= count)
        })
    }

    pub fn tail(&self, app: AppId) -> Tail {
        self.reader(app)
            .tail(&Filter::default(), Start::Oldest)
            .unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for something that has to come.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(&record.text).into_owned();
    records.iter().map(text).collect()
}

pub fn line(app: AppId, process: &str, text: &str) -> LogLine {
    LogLine {
        app,
        at: Timestamp::now(),
        source: LogSource::Platform,
        process: process.to_owned(),
        text: text.to_owned(),
    }
}

pub fn write(mut to: &File, bytes: impl AsRef<[u8]>) {
    to.write_all(bytes.as_ref()).unwrap();
}

/// Lines got and lines lost, of some events.
pub fn count(events: &[Event]) -> (u64, u64) {
    events
        .iter()
        .fold((0, 0), |(got, lost), event| match event {
            Event::Record(_) => (got + 1, lost),
            Event::Gap(gap) => (got, lost + gap.lost),
        })
}

/// The number in `… N messages …` or `… N bytes …`.
pub fn number_before(text: &str, noun: &str) -> u64 {
    let (head, _) = text.split_once(&format!(" {noun}")).unwrap();
    head.rsplit(' ').next().unwrap().parse().unwrap()
}
