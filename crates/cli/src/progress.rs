//! Signs of life while something takes its time: on a terminal only.

use std::time::{Duration, Instant};

use crate::output::Output;

/// A line on stderr that says what is under way, and for how long.
#[derive(Debug)]
pub struct Progress<'a> {
    out: &'a Output,
    what: String,
    started: Instant,
    is_drawn: bool,
}

impl<'a> Progress<'a> {
    /// Begins to count. Nothing is drawn in the first half second.
    pub fn new(out: &'a Output, what: String) -> Self {
        Self {
            out,
            what,
            started: Instant::now(),
            is_drawn: false,
        }
    }

    /// Sleeps, and draws the line anew.
    pub fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
        if self.out.is_watched && self.started.elapsed() > Duration::from_millis(500) {
            let seconds = self.started.elapsed().as_secs();
            self.out
                .pass_on(format!("\r\x1b[K{}... {seconds} s", self.what).as_bytes());
            self.is_drawn = true;
        }
    }

    /// For how long it has been under way.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.is_drawn {
            self.out.pass_on(b"\r\x1b[K");
            self.is_drawn = false;
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}
