//! What waits for its user to attach: shown a secret once, within a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::oneoff::Claim;
use crate::{Error, Kind};

/// How long it waits to be claimed.
const CLAIM_WITHIN: Duration = Duration::from_secs(60);

/// What waits for its user, by secret.
#[derive(Default)]
pub struct Claims(Mutex<HashMap<String, (Instant, Claim)>>);

impl Claims {
    /// Has it wait; gives the secret that claims it.
    ///
    /// # Errors
    /// [`Kind::Failed`] without random numbers.
    pub fn put(&self, claim: Claim) -> Result<String, Error> {
        let secret = random_hex()?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(secret.clone(), (Instant::now(), claim));
        Ok(secret)
    }

    /// Takes what waits for whoever shows this secret, if anything does.
    pub fn take(&self, secret: &str) -> Option<Claim> {
        self.forget_old();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(secret).map(|(_, claim)| claim)
    }

    /// Lets go of what nobody claimed in time.
    pub fn forget_old(&self) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (since, _)| since.elapsed() < CLAIM_WITHIN);
    }
}

fn random_hex() -> Result<String, Error> {
    let mut noise = [0; 24];
    getrandom::fill(&mut noise).map_err(|error| {
        Error::new(Kind::Failed, "the machine gave no random numbers").caused_by(error)
    })?;
    Ok(noise.iter().map(|byte| format!("{byte:02x}")).collect())
}
