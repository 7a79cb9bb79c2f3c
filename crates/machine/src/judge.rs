//! The judge of one web process: asks it what its app declared, and remembers how it failed last.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use noon_domain::{HealthCheck, HealthChecks};

use crate::ports::{Target, Unwell};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The judge of one web process.
pub(crate) struct Judge {
    health: HealthChecks,
    last: Arc<Mutex<Option<Unwell>>>,
}

impl Judge {
    /// One who asks what is declared; nothing, where nothing is.
    pub fn new(health: HealthChecks) -> Self {
        Self {
            health,
            last: Arc::default(),
        }
    }

    /// What a process must answer to be ready, beyond that its port does.
    pub fn boot(&self) -> Option<&HealthCheck> {
        self.health.boot.as_ref()
    }

    /// Resolves when a process is ready.
    pub fn ready(&self, target: Target) -> Boxed<()> {
        let seen = self.last.clone();
        *lock(&seen) = None;
        match self.health.boot.clone() {
            Some(check) => Box::pin(async move { target.well_at_last(check, seen).await }),
            None => Box::pin(target.answers_at_last()),
        }
    }

    /// Resolves after the pause between two questions, with whether the answer was a good one.
    pub fn next_answer(&self, target: Target) -> Option<Boxed<bool>> {
        let check = self.health.live.clone()?;
        let seen = self.last.clone();
        Some(Box::pin(async move {
            tokio::time::sleep(check.wait()).await;
            let unwell = target.is_well(&check).await.err();
            *lock(&seen) = unwell;
            unwell.is_none()
        }))
    }

    /// What a process has not done yet that is not ready: the end of a sentence.
    pub fn first_sign(&self) -> String {
        match &self.health.boot {
            Some(check) => format!("answered {check}"),
            None => "listened on $PORT".to_owned(),
        }
    }

    /// How a process that is up failed last.
    pub fn failure(&self) -> String {
        match &self.health.live {
            Some(check) => format!("{check}, and {}", self.last()),
            None => self.last(),
        }
    }

    /// How a process answered last, as a sentence without its end.
    pub fn last(&self) -> String {
        let last = *lock(&self.last);
        last.map_or_else(
            || "it did not answer".to_owned(),
            |unwell| unwell.to_string(),
        )
    }
}

fn lock(last: &Mutex<Option<Unwell>>) -> std::sync::MutexGuard<'_, Option<Unwell>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}
