//! What builds of one app remember: which layer a tree became, which one a lock file became, and
//! what the package managers downloaded.
//!
//! The memos are noon's own and never visible inside a sandbox; the downloads are.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use noon_domain::{AppId, Layer, LayerKind};
use sha2::{Digest, Sha256};

use crate::Error;

/// The cache of one app.
#[derive(Clone, Debug)]
pub(crate) struct AppCache {
    dir: PathBuf,
}

/// A question to which a layer is the answer: a digest of all that the layer depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key(String);

impl Key {
    /// The digest of parts. Lengths are told, so that no two lists of parts are alike.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(
            hasher
                .finalize()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect(),
        )
    }
}

impl AppCache {
    pub(crate) fn new(cache_dir: &Path, app: AppId) -> Self {
        Self {
            dir: cache_dir.join(app.to_string()),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where package managers keep what they downloaded: writable inside the sandbox, whoever
    /// the app is there. The way to it is noon's alone.
    pub(crate) fn downloads(&self) -> Result<PathBuf, Error> {
        let dir = self.dir.join("downloads");
        make_open(&dir)?;
        Ok(dir)
    }

    pub(crate) fn recall(&self, kind: LayerKind, key: &Key) -> Option<Layer> {
        let text = fs::read_to_string(self.memo(kind, key)).ok()?;
        let (id, bytes) = text.trim_end().split_once(' ')?;
        Some(Layer {
            id: id.parse().ok()?,
            kind,
            bytes: bytes.parse().ok()?,
        })
    }

    /// Writes a memo. Without it the next build only takes longer, so this build goes on.
    pub(crate) fn remember(&self, key: &Key, layer: &Layer) {
        if let Err(error) = self.write(key, layer) {
            tracing::warn!(%error, layer = %layer.id, "could not remember a layer");
        }
    }

    /// Writes a memo whole or not at all.
    fn write(&self, key: &Key, layer: &Layer) -> Result<(), Error> {
        let path = self.memo(layer.kind, key);
        let dir = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(dir).map_err(Error::io("make", dir))?;
        let fresh = path.with_extension(uuid::Uuid::new_v4().to_string());
        let text = format!("{} {}\n", layer.id, layer.bytes);
        fs::write(&fresh, text).map_err(Error::io("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(Error::io("write", &path))
    }

    fn memo(&self, kind: LayerKind, key: &Key) -> PathBuf {
        self.dir.join(kind.as_str()).join(&key.0)
    }
}

/// Makes a directory in which the processes of a sandbox may write, whatever their user id.
pub(crate) fn make_open(dir: &Path) -> Result<(), Error> {
    match fs::create_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::io("make", dir)(error));
        }
        _ => {}
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777))
        .map_err(Error::io("open to the sandbox", dir))
}
