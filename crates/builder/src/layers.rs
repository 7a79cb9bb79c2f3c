//! The layers: directories named by what they hold.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use noon_domain::{Layer, LayerId, LayerKind};

use crate::Error;
use crate::cache::Key;
use crate::trash::Trash;
use crate::tree::{Normal, Whiteouts, normalise};

/// All layers, and which of them builds under way hold.
pub(crate) struct Layers {
    dir: PathBuf,
    trash: Trash,
    uses: Mutex<HashMap<LayerId, Use>>,
}

#[derive(Default)]
struct Use {
    holders: usize,
    let_go: Option<Instant>,
}

/// A layer that a build holds: no collection takes it. A layer that this build made is taken back
/// when the build ends without having kept it.
pub(crate) struct Held {
    pub(crate) layer: Layer,
    /// The question to which it is the answer, to be remembered once it is kept.
    pub(crate) memo: Option<Key>,
    layers: Arc<Layers>,
    fresh: bool,
    kept: bool,
}

impl Layers {
    pub(crate) fn new(dir: PathBuf, trash: Trash) -> Self {
        Self {
            dir,
            trash,
            uses: Mutex::default(),
        }
    }

    /// Makes a directory a layer, or finds that there is one like it; the directory is gone
    /// afterwards. `below` are the layers on which it was made, where it means nothing without.
    /// `None` if it holds nothing.
    pub(crate) fn close(
        self: &Arc<Self>,
        dir: &Path,
        kind: LayerKind,
        below: &[LayerId],
    ) -> Result<Option<Held>, Error> {
        let whiteouts = match kind {
            LayerKind::Source => Whiteouts::Forbidden,
            LayerKind::Dependencies | LayerKind::Output => Whiteouts::Kept,
        };
        let below: Vec<u8> = below.iter().flat_map(|id| *id.as_bytes()).collect();
        let normal = normalise(dir, whiteouts, &below)?;
        if normal.entries == 0 && kind != LayerKind::Source {
            self.trash.take(dir)?;
            return Ok(None);
        }
        self.place(dir, kind, &normal).map(Some)
    }

    fn place(
        self: &Arc<Self>,
        dir: &Path,
        kind: LayerKind,
        normal: &Normal,
    ) -> Result<Held, Error> {
        let layer = Layer {
            id: LayerId::from_bytes(normal.digest),
            kind,
            bytes: normal.bytes,
        };
        let path = self.path(layer.id);
        let mut uses = self.uses();
        let fresh = match fs::rename(dir, &path) {
            Ok(()) => true,
            Err(error) if is_occupied(&error) => false,
            Err(error) => return Err(Error::io("move into the layers", dir)(error)),
        };
        let held = self.hold(&mut uses, layer, fresh);
        drop(uses);
        if !fresh {
            self.trash.take(dir)?;
        }
        Ok(held)
    }

    /// Holds a layer that a memo names, if it is still there.
    pub(crate) fn find(self: &Arc<Self>, layer: Layer) -> Option<Held> {
        let mut uses = self.uses();
        let there = fs::symlink_metadata(self.path(layer.id)).is_ok_and(|m| m.is_dir());
        there.then(|| self.hold(&mut uses, layer, false))
    }

    fn hold(self: &Arc<Self>, uses: &mut HashMap<LayerId, Use>, layer: Layer, fresh: bool) -> Held {
        uses.entry(layer.id).or_default().holders += 1;
        Held {
            layer,
            memo: None,
            layers: self.clone(),
            fresh,
            kept: false,
        }
    }

    /// Moves into the trash every layer that is neither to be kept nor in use. Returns how many.
    pub(crate) fn collect(&self, keep: &HashSet<LayerId>, grace: Duration) -> Result<usize, Error> {
        let mut taken = 0;
        for entry in fs::read_dir(&self.dir).map_err(Error::io("read", &self.dir))? {
            let entry = entry.map_err(Error::io("read", &self.dir))?;
            let id = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if id.is_some_and(|id| !keep.contains(&id)) && self.take_unused(id, grace)? {
                taken += 1;
            }
        }
        Ok(taken)
    }

    fn take_unused(&self, id: Option<LayerId>, grace: Duration) -> Result<bool, Error> {
        let Some(id) = id else { return Ok(false) };
        let mut uses = self.uses();
        let in_use = uses.get(&id).is_some_and(|u| {
            u.holders > 0 || u.let_go.is_some_and(|since| since.elapsed() < grace)
        });
        if in_use {
            return Ok(false);
        }
        uses.remove(&id);
        self.trash.take(&self.path(id)).map(|()| true)
    }

    fn path(&self, id: LayerId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<LayerId, Use>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn let_go(&self, id: LayerId, unwanted: bool) {
        let mut uses = self.uses();
        let Some(one) = uses.get_mut(&id) else { return };
        one.holders = one.holders.saturating_sub(1);
        if one.holders > 0 {
            return;
        }
        if unwanted {
            uses.remove(&id);
            self.trash.take_quietly(&self.path(id));
        } else {
            one.let_go = Some(Instant::now());
        }
    }
}

impl Held {
    /// Says that the layer is wanted even if this build should fail.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.layers.let_go(self.layer.id, self.fresh && !self.kept);
    }
}

fn is_occupied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Store {
        home: tempfile::TempDir,
        layers: Arc<Layers>,
    }

    impl Store {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            for dir in ["layers", "trash"] {
                fs::create_dir(home.path().join(dir)).unwrap();
            }
            let trash = Trash::new(home.path().join("trash"));
            let layers = Arc::new(Layers::new(home.path().join("layers"), trash));
            Self { home, layers }
        }

        fn close(&self, content: &str) -> Held {
            let dir = self.home.path().join("new");
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("file"), content).unwrap();
            let closed = self.layers.close(&dir, LayerKind::Output, &[]).unwrap();
            assert!(!dir.exists());
            closed.unwrap()
        }

        fn has(&self, id: LayerId) -> bool {
            self.layers.path(id).exists()
        }
    }

    #[test]
    fn a_layer_that_nobody_kept_is_gone_with_the_build_that_made_it() {
        let store = Store::new();
        let (mut kept, lost) = (store.close("kept"), store.close("lost"));
        kept.keep();
        let ids = [kept.layer.id, lost.layer.id];
        drop((kept, lost));
        assert_eq!(ids.map(|id| store.has(id)), [true, false]);
    }

    #[test]
    fn a_layer_outlives_its_maker_while_another_build_holds_it() {
        let store = Store::new();
        let (maker, mut other) = (store.close("same"), store.close("same"));
        let id = maker.layer.id;
        assert_eq!(id, other.layer.id);
        drop(maker);
        assert!(store.has(id));
        other.keep();
        drop(other);
        assert!(store.has(id));
    }

    #[test]
    fn collection_spares_what_is_held_kept_or_fresh() {
        let store = Store::new();
        let (held, mut kept, mut fresh) = (store.close("a"), store.close("b"), store.close("c"));
        kept.keep();
        fresh.keep();
        let ids = [held.layer.id, kept.layer.id, fresh.layer.id];
        drop((kept, fresh));
        let keep = HashSet::from([ids[1]]);
        let collect = |grace| store.layers.collect(&keep, grace).unwrap();
        assert_eq!(collect(Duration::from_secs(3600)), 0);
        assert_eq!(collect(Duration::ZERO), 1);
        assert_eq!(ids.map(|id| store.has(id)), [true, true, false]);
        drop(held);
    }

    #[test]
    fn an_empty_upper_is_no_layer() {
        let store = Store::new();
        let dir = store.home.path().join("upper");
        fs::create_dir(&dir).unwrap();
        assert!(
            store
                .layers
                .close(&dir, LayerKind::Output, &[])
                .unwrap()
                .is_none()
        );
        assert!(!dir.exists());
    }
}
