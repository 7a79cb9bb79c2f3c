//! Addresses that carry their own permission: whoever was given one may read it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The key that signs addresses. Prints as `[secret]`.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl SigningKey {
    /// Takes 32 random bytes, the same at every start so that addresses outlive a restart.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The signature of a text, in hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        let bytes = self.mac(text).finalize().into_bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether this is the signature of the text, found out in constant time.
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        let pairs = signature.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> = pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        bytes.is_some_and(|bytes| self.mac(text).verify_slice(&bytes).is_ok())
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0)
            .expect("HMAC takes keys of any length")
            .chain_update(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_text_verifies() {
        let key = SigningKey::new([7; 32]);
        let signature = key.sign("build 1");
        assert!(key.verifies("build 1", &signature));
        assert!(!key.verifies("build 2", &signature));
        assert!(!SigningKey::new([8; 32]).verifies("build 1", &signature));
        for bad in ["", "zz", &signature[..10], &format!("{signature}00")] {
            assert!(!key.verifies("build 1", bad), "{bad:?}");
        }
    }
}
