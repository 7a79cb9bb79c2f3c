//! The log of the app, read as it is written, and held against what is known to have been written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use noon_domain::{AppId, LogSource};
use noon_logs::{Event, Filter, Reader, Record, Start};

/// All that was read.
#[derive(Debug, Default)]
pub struct Lines {
    /// How often each request's line was read.
    requests: HashMap<u64, u32>,
    /// The numbers of each worker's run, as they came.
    beats: HashMap<String, Vec<u64>>,
    /// What the log owns up to.
    pub owned: Vec<String>,
    /// Lines of the app of which only a part is there.
    pub torn: Vec<String>,
    /// What the router said of requests that failed.
    pub refusals: Vec<String>,
    /// Lines that this reader missed.
    pub missed: u64,
    /// How many there were.
    pub count: u64,
}

/// A line that is not there.
#[derive(Debug)]
pub struct Missing {
    pub line: String,
    /// About when it was written, where that is known.
    pub at: Option<Instant>,
}

/// A reader at work.
pub struct Reading {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Lines>,
}

impl Reading {
    pub fn start(logs: PathBuf, app: AppId) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let reader = thread::spawn(move || {
            let reader = Reader::open(&logs, app).expect("a log that may be read");
            let tail = reader.tail(&Filter::default(), Start::Oldest);
            let mut tail = tail.expect("a log that may be read");
            let mut lines = Lines::default();
            loop {
                let is_last = until.load(Ordering::Relaxed);
                let events = tail.poll();
                if events.is_empty() && is_last {
                    return lines;
                }
                if events.is_empty() {
                    thread::sleep(Duration::from_millis(50));
                }
                events.into_iter().for_each(|event| lines.take(event));
            }
        });
        Self { stop, reader }
    }

    /// Reads to the end and stops.
    pub fn stop(self) -> Lines {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().expect("the reader does not panic")
    }
}

impl Lines {
    fn take(&mut self, event: Event) {
        match event {
            Event::Gap(gap) => self.missed += gap.lost,
            Event::Record(record) => self.keep(&record),
        }
    }

    fn keep(&mut self, record: &Record) {
        self.count += 1;
        let text = String::from_utf8_lossy(&record.text).into_owned();
        let words: Vec<&str> = text.split(' ').collect();
        match (record.source, words.as_slice()) {
            (LogSource::App, ["request", id, "."]) if id.parse::<u64>().is_ok() => {
                *self
                    .requests
                    .entry(id.parse().unwrap_or_default())
                    .or_default() += 1;
            }
            (LogSource::App, ["request", "settled" | "last", "."]) => {}
            (LogSource::App, ["beat", run, number, "."]) if number.parse::<u64>().is_ok() => {
                let beats = self.beats.entry((*run).to_owned()).or_default();
                beats.push(number.parse().unwrap_or_default());
            }
            // What a shell says of a command that was killed.
            (LogSource::App, ["Killed"]) => {}
            (LogSource::App, _) if record.process != "api" => self.torn.push(text),
            _ if record.process == "router" && text.contains("at=error") => {
                self.refusals.push(text);
            }
            _ if text.starts_with("Error L") => self.owned.push(text),
            _ => {}
        }
    }

    /// How many bytes the log says that it may have lost.
    pub fn owned_bytes(&self) -> u64 {
        let said = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            let at = words.iter().position(|word| *word == "bytes")?;
            words[at - 1].parse::<u64>().ok()
        };
        self.owned.iter().filter_map(said).sum()
    }

    /// Lines that stand more than once.
    pub fn doubled(&self) -> Vec<String> {
        let requests = self.requests.iter().filter(|(_, times)| **times > 1);
        let requests = requests.map(|(id, times)| format!("request {id} stands {times} times"));
        let beats = self.beats.iter().filter_map(|(run, numbers)| {
            let back = numbers.windows(2).find(|pair| pair[1] <= pair[0])?;
            Some(format!("beat {} of {run} came after {}", back[1], back[0]))
        });
        requests.chain(beats).collect()
    }

    /// Lines that were surely written and are not there: of answered requests, and between beats.
    pub fn missing(&self, answered: &[(u64, Instant)]) -> Vec<Missing> {
        let lost = answered
            .iter()
            .filter(|(id, _)| !self.requests.contains_key(id));
        let requests = lost.map(|(id, at)| Missing {
            line: format!("request {id} ."),
            at: Some(*at),
        });
        let beats = self.beats.iter().flat_map(|(run, numbers)| {
            let known: std::collections::HashSet<_> = numbers.iter().copied().collect();
            let last = numbers.iter().max().copied().unwrap_or_default();
            let lost = (0..last).filter(move |number| !known.contains(number));
            lost.map(move |number| Missing {
                line: format!("beat {run} {number} ."),
                at: None,
            })
        });
        requests.chain(beats).collect()
    }
}
