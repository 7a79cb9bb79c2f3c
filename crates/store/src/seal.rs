//! Sealing: a value becomes bytes that only the key opens, and only in the place it was made for.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use noon_domain::{AppId, ConfigKey, Version};

use crate::Error;
use crate::key::random;

/// The length of a nonce, which stands before the sealed bytes. Long enough to be random.
const NONCE: usize = 24;

/// Where a sealed value belongs. Opened anywhere else, it does not open.
#[derive(Clone, Copy)]
pub(crate) struct Belongs<'a> {
    pub(crate) app: AppId,
    pub(crate) version: Version,
    pub(crate) name: &'a ConfigKey,
}

impl Belongs<'_> {
    fn bytes(&self) -> Vec<u8> {
        // Both that come first are of fixed length, so the text is of one reading only.
        let mut bytes = b"noon 1: config value".to_vec();
        bytes.extend_from_slice(self.app.as_uuid().as_bytes());
        bytes.extend_from_slice(&self.version.get().to_be_bytes());
        bytes.extend_from_slice(self.name.as_str().as_bytes());
        bytes
    }
}

pub(crate) fn seal_value(key: &[u8; 32], at: Belongs<'_>, value: &str) -> Result<Vec<u8>, Error> {
    seal(key, &at.bytes(), value.as_bytes())
}

/// Opens a value, or `None` if it was altered, moved or sealed under another key.
pub(crate) fn open_value(key: &[u8; 32], at: Belongs<'_>, sealed: &[u8]) -> Option<String> {
    String::from_utf8(open(key, &at.bytes(), sealed)?).ok()
}

pub(crate) fn seal(key: &[u8; 32], aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, Error> {
    let nonce = random::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key));
    let sealed = cipher
        .encrypt(XNonce::from_slice(&nonce), Payload { msg, aad })
        .expect("the cipher refuses only messages of 256 GiB and more");
    Ok([nonce.as_slice(), &sealed].concat())
}

pub(crate) fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_at_checked(NONCE)?;
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key));
    cipher
        .decrypt(XNonce::from_slice(nonce), Payload { msg, aad })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_where_it_belongs_and_only_whole() {
        let name: ConfigKey = "A".parse().unwrap();
        let other: ConfigKey = "B".parse().unwrap();
        let at = Belongs {
            app: AppId::new(),
            version: Version::new(2),
            name: &name,
        };
        let sealed = seal_value(&[7; 32], at, "hunter2").unwrap();
        assert_eq!(
            open_value(&[7; 32], at, &sealed).as_deref(),
            Some("hunter2")
        );
        assert_eq!(open_value(&[8; 32], at, &sealed), None);
        for elsewhere in [
            Belongs {
                app: AppId::new(),
                ..at
            },
            Belongs {
                version: Version::new(3),
                ..at
            },
            Belongs { name: &other, ..at },
        ] {
            assert_eq!(open_value(&[7; 32], elsewhere, &sealed), None);
        }
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert_eq!(open_value(&[7; 32], at, &altered), None);
            assert_eq!(open_value(&[7; 32], at, &sealed[..index]), None);
        }
        assert_ne!(sealed, seal_value(&[7; 32], at, "hunter2").unwrap());
    }
}
