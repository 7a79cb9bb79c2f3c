//! The platform's lines on their way to the collector: bounded, counted, in order.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use noon_domain::{AppId, LogLine, LogSource, Timestamp};

use crate::{message, notice};

/// The most lines that wait, those under way included.
pub(crate) const MAX_LINES: usize = 8192;
/// The most bytes that wait.
const MAX_BYTES: usize = 8 << 20;

/// What found no room.
#[derive(Clone, Copy, Debug)]
struct Lost {
    lines: u64,
    since: Timestamp,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    messages: usize,
    under_way: (usize, usize),
    lost: BTreeMap<AppId, Lost>,
    looks_again: bool,
    is_idle: bool,
    is_closed: bool,
}

/// The queue between those who speak and the one who sends.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    stir: Condvar,
}

impl Queue {
    fn is_full(&self) -> bool {
        self.messages + self.under_way.0 >= MAX_LINES
            || self.bytes.len() + self.under_way.1 >= MAX_BYTES
    }

    fn push(&mut self, line: &LogLine) {
        for text in line.text.split('\n') {
            if self.is_full() {
                self.lose(line.app);
                continue;
            }
            self.own_up();
            message::put_line(&mut self.bytes, line, text.as_bytes());
            self.messages += 1;
        }
    }

    fn lose(&mut self, app: AppId) {
        let since = Timestamp::now();
        self.lost
            .entry(app)
            .or_insert(Lost { lines: 0, since })
            .lines += 1;
    }

    /// Says in each stream what it lost, at the place where it did.
    fn own_up(&mut self) {
        for (app, lost) in std::mem::take(&mut self.lost) {
            let line = LogLine {
                app,
                at: Timestamp::now(),
                source: LogSource::Platform,
                process: notice::PROCESS.to_owned(),
                text: notice::undelivered(lost.lines, lost.since),
            };
            message::put_line(&mut self.bytes, &line, line.text.as_bytes());
            self.messages += 1;
        }
    }
}

impl Outbox {
    /// Queues a line, or counts it.
    pub(crate) fn push(&self, line: &LogLine) {
        self.change(|queue| queue.push(line));
    }

    /// Queues the order to look again, once.
    pub(crate) fn look_again(&self) {
        self.change(|queue| {
            if !std::mem::replace(&mut queue.looks_again, true) {
                message::put_look_again(&mut queue.bytes);
                queue.messages += 1;
            }
        });
    }

    /// Queues the order to forget an app, room or no room.
    pub(crate) fn forget(&self, app: AppId) {
        self.change(|queue| {
            queue.lost.remove(&app);
            message::put_forget(&mut queue.bytes, app);
            queue.messages += 1;
        });
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.change(|queue| queue.is_closed = true);
    }

    /// Whether nothing more will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits for messages and takes them all into `batch`; `None` when nothing more will come.
    pub(crate) fn take(&self, batch: &mut Vec<u8>) -> Option<usize> {
        let mut queue = self.lock();
        while queue.bytes.is_empty() && queue.lost.is_empty() {
            if queue.is_closed {
                return None;
            }
            queue.is_idle = true;
            queue = self
                .stir
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
            queue.is_idle = false;
        }
        queue.own_up();
        std::mem::swap(&mut queue.bytes, batch);
        queue.under_way = (std::mem::take(&mut queue.messages), batch.len());
        queue.looks_again = false;
        Some(queue.under_way.0)
    }

    /// The batch that was taken has arrived, or was given up.
    pub(crate) fn done(&self) {
        self.change(|queue| queue.under_way = (0, 0));
    }

    /// Waits until all has arrived, but no longer than `patience`; says whether it has.
    pub(crate) fn wait_empty(&self, patience: Duration) -> bool {
        let is_waiting =
            |queue: &mut Queue| queue.messages + queue.under_way.0 > 0 || !queue.lost.is_empty();
        let waited = self
            .stir
            .wait_timeout_while(self.lock(), patience, is_waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Changes the queue; wakes the others only where one may sleep.
    fn change(&self, act: impl FnOnce(&mut Queue)) {
        let mut queue = self.lock();
        act(&mut queue);
        let is_settled = queue.messages + queue.under_way.0 == 0;
        let may_sleep = queue.is_idle || is_settled;
        drop(queue);
        if may_sleep {
            self.stir.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn line(app: AppId, text: &str) -> LogLine {
        LogLine {
            app,
            at: Timestamp::from_micros(1),
            source: LogSource::Platform,
            process: "router".to_owned(),
            text: text.to_owned(),
        }
    }

    fn texts(mut bytes: &[u8]) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some((message, length)) = message::take(bytes).unwrap() {
            texts.push(match message {
                Message::Line(line) => line.text,
                other => format!("{other:?}"),
            });
            bytes = &bytes[length..];
        }
        texts
    }

    #[test]
    fn what_finds_no_room_is_counted_and_said_at_its_place() {
        let (outbox, app) = (Outbox::default(), AppId::new());
        for number in 0..MAX_LINES + 3 {
            outbox.push(&line(app, &number.to_string()));
        }
        let mut batch = Vec::new();
        assert_eq!(outbox.take(&mut batch), Some(MAX_LINES + 1));
        let said = texts(&batch);
        assert_eq!(said[MAX_LINES - 1], (MAX_LINES - 1).to_string());
        assert!(
            said[MAX_LINES].contains("L13") && said[MAX_LINES].contains(" 3 messages "),
            "{said:?}"
        );
        outbox.push(&line(app, "still full: the batch is under way"));
        outbox.done();
        outbox.push(&line(app, "after"));
        outbox.take(&mut batch);
        let said = texts(&batch);
        assert!(said[0].contains(" 1 message "), "{said:?}");
        assert_eq!(said[1..], ["after"]);
    }

    #[test]
    fn waiting_bytes_are_bounded_too() {
        let (outbox, app) = (Outbox::default(), AppId::new());
        let long = "x".repeat(100_000);
        for _ in 0..MAX_LINES {
            outbox.push(&line(app, &long));
        }
        let mut batch = Vec::new();
        outbox.take(&mut batch);
        assert!(batch.len() < MAX_BYTES + 200_000);
    }

    #[test]
    fn a_text_of_several_lines_becomes_several_messages_and_orders_are_kept_once() {
        let (outbox, app) = (Outbox::default(), AppId::new());
        outbox.push(&line(app, "one\ntwo"));
        outbox.look_again();
        outbox.look_again();
        outbox.forget(app);
        let mut batch = Vec::new();
        assert_eq!(outbox.take(&mut batch), Some(4));
        let forget = format!("Forget(AppId({app}))");
        assert_eq!(texts(&batch), ["one", "two", "LookAgain", &forget]);
        outbox.close();
        outbox.done();
        batch.clear();
        assert_eq!(outbox.take(&mut batch), None);
    }
}
