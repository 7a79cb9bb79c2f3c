//! Turns: who may change one app now. Pushes wait for pushes, releases for releases.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use noon_domain::AppId;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// One turn at something of one app; over when dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held, never read")] OwnedMutexGuard<()>);

/// The turns of all apps at one kind of thing.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<AppId, Arc<TurnMutex<()>>>>);

impl Turns {
    /// Waits for the app's turn, first come, first served.
    pub async fn take(&self, app: AppId) -> Turn {
        Turn(self.of(app).lock_owned().await)
    }

    /// Takes the app's turn if nobody has it.
    pub fn try_take(&self, app: AppId) -> Option<Turn> {
        self.of(app).try_lock_owned().ok().map(Turn)
    }

    /// Forgets an app that is gone.
    pub fn forget(&self, app: AppId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&app);
    }

    fn of(&self, app: AppId) -> Arc<TurnMutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(app).or_default().clone()
    }
}
