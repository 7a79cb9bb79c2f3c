//! How long processes take to boot and to stop: taken from the engine as they come, kept in
//! batches, shown by release and by place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use noon_domain::{ProcessId, ProcessName, Timing, TimingSink, Took, TypeTimes, Version};
use tokio::sync::Notify;

use crate::{Control, Error, Permit, View};

/// How long the first timing of a batch waits for others.
const GATHER: Duration = Duration::from_millis(250);
/// How long a batch waits that could not be kept.
const RETRY: Duration = Duration::from_secs(5);
/// So many wait at most while they cannot be kept; the oldest are given up.
const MOST: usize = 10_000;

/// Timings that wait to be kept. Clones share them.
#[derive(Clone, Default)]
pub struct Times(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    timings: Mutex<Vec<Timing>>,
    more: Notify,
    /// Held by whoever writes: a batch is on disk, or waits again, before the next is taken.
    writing: tokio::sync::Mutex<()>,
}

/// What is known of an app's places.
#[derive(Clone, Debug, Default)]
pub struct PlaceTimes {
    boots: HashMap<ProcessId, Duration>,
    stops: HashMap<ProcessName, Duration>,
}

impl Times {
    /// Takes timings for whoever writes them down: for the engine.
    pub fn sink(&self) -> TimingSink {
        let waiting = self.0.clone();
        Arc::new(move |timing| {
            waiting.put(vec![timing]);
            waiting.more.notify_one();
        })
    }
}

impl Waiting {
    fn put(&self, more: Vec<Timing>) {
        let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        timings.extend(more);
        let too_many = timings.len().saturating_sub(MOST);
        timings.drain(..too_many);
    }

    fn take(&self) -> Vec<Timing> {
        std::mem::take(&mut self.timings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PlaceTimes {
    /// How long this run took to boot.
    pub fn boot(&self, process: ProcessId) -> Option<Duration> {
        self.boots.get(&process).copied()
    }

    /// How long the last process of this place that was told to end took for it.
    pub fn last_stop(&self, name: &ProcessName) -> Option<Duration> {
        self.stops.get(name).copied()
    }
}

impl Control {
    /// Keeps timings for ever, many at once where many come at once.
    pub async fn keep_times(self: Arc<Self>) {
        let waiting = &self.hooks.times.0;
        loop {
            waiting.more.notified().await;
            tokio::time::sleep(GATHER).await;
            while self.keep_waiting_times().await.is_err() {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Keeps the timings that wait, in one transaction. They go on waiting where that fails.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`].
    pub async fn keep_waiting_times(&self) -> Result<(), Error> {
        let waiting = &self.hooks.times.0;
        let _turn = waiting.writing.lock().await;
        let timings = waiting.take();
        let kept = self.store.add_timings(&timings).await;
        if let Err(error) = &kept {
            tracing::warn!(%error, "boot and stop times not kept yet");
            waiting.put(timings);
        }
        Ok(kept?)
    }

    /// How long the processes of a release took to boot and to stop, by type.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] without the release.
    pub async fn release_times(
        &self,
        permit: &Permit<View>,
        version: Version,
    ) -> Result<Vec<TypeTimes>, Error> {
        let release = self.release(permit, version).await?;
        let timings = self.store.timings(release.app, version).await?;
        Ok(TypeTimes::of(&timings))
    }

    /// How long the app's places took last.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`].
    pub async fn place_times(&self, permit: &Permit<View>) -> Result<PlaceTimes, Error> {
        let mut times = PlaceTimes::default();
        for timing in self.store.last_timings(permit.app().id).await? {
            match timing.what {
                Took::Boot(took) => drop(times.boots.insert(timing.process, took)),
                Took::Stop(took) => drop(times.stops.insert(timing.name, took)),
            }
        }
        Ok(times)
    }
}
