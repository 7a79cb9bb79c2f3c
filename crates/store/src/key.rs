//! The master key, and the keys derived from it, one for each use.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::Error;

/// The key under which all secrets are sealed: 32 random bytes. Prints as `[secret]`.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

/// A text is no master key. The text itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key is not 64 hexadecimal digits: give the file that noon made")]
pub struct MasterKeyError;

impl MasterKey {
    /// Makes a fresh key.
    ///
    /// # Errors
    /// [`Error::NoRandomness`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(random()?))
    }

    /// Takes a key's bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, with white space around them.
    ///
    /// # Errors
    /// [`MasterKeyError`].
    pub fn from_hex(text: &str) -> Result<Self, MasterKeyError> {
        let digits = text.trim().as_bytes();
        let mut key = [0; 32];
        if digits.len() != 64 {
            return Err(MasterKeyError);
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Ok(Self(key))
    }

    /// The key as 64 hexadecimal digits, to be written where only noon can read it.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn digit(byte: u8) -> Result<u8, MasterKeyError> {
    let digit = char::from(byte).to_digit(16).ok_or(MasterKeyError)?;
    u8::try_from(digit).map_err(|_| MasterKeyError)
}

impl FromStr for MasterKey {
    type Err = MasterKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_hex(text)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// One key for each use, so that no digest can serve in another's place.
pub(crate) struct Keys {
    /// Seals config values.
    pub(crate) seal: [u8; 32],
    /// Digests the config of a release.
    pub(crate) config: [u8; 32],
    /// Binds an app's newest entry to the app.
    pub(crate) head: [u8; 32],
}

impl Keys {
    pub(crate) fn derive(master: &MasterKey) -> Self {
        Self {
            seal: hmac(&master.0, b"noon 1: seal"),
            config: hmac(&master.0, b"noon 1: config digest"),
            head: hmac(&master.0, b"noon 1: head of the ledger"),
        }
    }
}

/// HMAC-SHA-256 (RFC 2104) under a key of 32 bytes.
pub(crate) fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        // Case 1 and 2, whose shorter keys are padded with zeros, as HMAC does itself.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex(&hmac(&key, b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex(&hmac(&key, b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_master_key_survives_its_file_and_never_prints() {
        let key = MasterKey::generate().unwrap();
        assert_eq!(
            MasterKey::from_hex(&format!("{}\n", key.to_hex())),
            Ok(key.clone())
        );
        assert_eq!(format!("{key:?}"), "[secret]");
        assert_ne!(key, MasterKey::generate().unwrap());
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(63), &"ä".repeat(32)] {
            assert_eq!(MasterKey::from_hex(bad), Err(MasterKeyError), "{bad}");
        }
    }
}
