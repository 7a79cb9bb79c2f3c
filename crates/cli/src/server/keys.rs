//! The master key: given by the environment, or made at the first start.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use noon_api::SigningKey;
use noon_store::MasterKey;
use sha2::{Digest, Sha256};

use super::ServerError;

/// The key of this platform.
pub fn master_key(file: &Path) -> Result<MasterKey, ServerError> {
    if let Ok(text) = std::env::var("NOON_MASTER_KEY") {
        return MasterKey::from_hex(text.trim())
            .map_err(|error| ServerError::failed("NOON_MASTER_KEY", error));
    }
    match fs::read_to_string(file) {
        Ok(text) => MasterKey::from_hex(text.trim())
            .map_err(|error| ServerError::failed(file.display(), error)),
        Err(error) if error.kind() == ErrorKind::NotFound => make(file),
        Err(error) => Err(ServerError::failed(
            format!("cannot read {}", file.display()),
            error,
        )),
    }
}

fn make(file: &Path) -> Result<MasterKey, ServerError> {
    let key = MasterKey::generate().map_err(|error| ServerError::failed("no master key", error))?;
    let written = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut f| writeln!(f, "{}", key.to_hex()).and_then(|()| f.sync_all()));
    written
        .map_err(|error| ServerError::failed(format!("cannot write {}", file.display()), error))?;
    Ok(key)
}

/// The key that signs addresses: follows from the master key, so that they outlive a restart.
pub fn signing_key(master: &MasterKey) -> SigningKey {
    let digest = Sha256::new()
        .chain_update(b"noon: key that signs addresses of the API\0")
        .chain_update(master.to_hex().as_bytes())
        .finalize();
    SigningKey::new(digest.into())
}
