//! Who is where: the posts of each app.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use noon_domain::{AppId, ProcessId};

use crate::plan::Observed;
use crate::post::{Identity, Post};

/// The posts of all apps.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    apps: Mutex<HashMap<AppId, Arc<Room>>>,
}

/// The posts of one app.
#[derive(Debug, Default)]
pub(crate) struct Room {
    posts: Mutex<Vec<Arc<Post>>>,
    /// Held by whoever makes the app look like an intent.
    pub turn: tokio::sync::Mutex<()>,
}

impl Rooms {
    /// The room of an app, made when there was none.
    pub fn of(&self, app: AppId) -> Arc<Room> {
        locked(&self.apps).entry(app).or_default().clone()
    }

    /// Every post there is.
    pub fn posts(&self) -> Vec<Arc<Post>> {
        let rooms: Vec<_> = locked(&self.apps).values().cloned().collect();
        rooms.iter().flat_map(|room| room.posts()).collect()
    }

    /// Takes a post away whose last run was this one.
    pub fn leave(&self, identity: &Identity, process: ProcessId) {
        let room = self.of(identity.app);
        locked(&room.posts).retain(|post| !post.is_run(process));
    }
}

impl Room {
    /// Adds a post.
    pub fn enter(&self, post: Arc<Post>) {
        locked(&self.posts).push(post);
    }

    /// The posts as they are now.
    pub fn posts(&self) -> Vec<Arc<Post>> {
        locked(&self.posts).clone()
    }

    /// The post whose present run is this one.
    pub fn find(&self, process: ProcessId) -> Option<Arc<Post>> {
        self.posts().into_iter().find(|post| post.is_run(process))
    }

    /// The formation as planning sees it.
    pub fn observed(&self) -> Vec<Observed> {
        self.posts()
            .iter()
            .filter_map(|post| post.observed())
            .collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
