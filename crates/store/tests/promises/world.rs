//! What promises need before they can be put to the test.

use noon_domain::{
    App, AppId, ConfigChange, ConfigKey, ConfigVars, HealthCheck, HealthChecks, Layer, LayerId,
    LayerKind, ProcessTypes, Reason, Rhythm, Secret, Slug, SlugId, StackName, Timestamp, User,
};
use noon_store::{NewApp, NewRelease, Store};

pub struct World {
    pub store: Store,
    pub user: User,
    pub app: App,
}

impl World {
    pub async fn new(db: &crate::backend::Backend) -> Self {
        let store = db.open().await;
        let user = store.ensure_owner("owner@example.com").await.unwrap();
        let app = store.create_app(&new_app("first", &user)).await.unwrap();
        Self { store, user, app }
    }

    pub async fn another(&self, name: &str) -> App {
        self.store
            .create_app(&new_app(name, &self.user))
            .await
            .unwrap()
    }

    pub fn release(&self, pairs: &[(&str, &str)]) -> NewRelease {
        let set = pairs.iter().map(|(k, _)| key(k)).collect();
        NewRelease {
            app: self.app.id,
            slug: None,
            config: vars(pairs),
            reason: Reason::Configured { set, unset: vec![] },
            by: self.user.id,
        }
    }

    pub async fn append(&self, pairs: &[(&str, &str)]) -> noon_domain::Release {
        self.store
            .append_release(&self.release(pairs))
            .await
            .unwrap()
    }
}

pub fn new_app(name: &str, owner: &User) -> NewApp {
    let name = name.parse().unwrap();
    NewApp {
        name,
        owner: owner.id,
        stack: StackName::new("debian-12"),
    }
}

pub fn key(text: &str) -> ConfigKey {
    text.parse().unwrap()
}

pub fn vars(pairs: &[(&str, &str)]) -> ConfigVars {
    let pair = |(k, v): &(&str, &str)| (key(k), Some(Secret::new((*v).to_owned())));
    ConfigVars::default()
        .changed(&pairs.iter().map(pair).collect::<ConfigChange>())
        .unwrap()
}

fn check(path: &str) -> HealthCheck {
    let rhythm = Rhythm {
        timeout: 60,
        attempts: 100,
        wait: 3600,
    };
    HealthCheck::new(path, rhythm).unwrap()
}

pub fn slug(seed: u8) -> Slug {
    let layer = |n: u8, kind| Layer {
        id: LayerId::from_bytes([n; 32]),
        kind,
        bytes: 1 << 40,
    };
    Slug {
        id: SlugId::from_bytes([seed; 32]),
        stack: StackName::new("debian-12"),
        layers: vec![
            layer(9, LayerKind::Dependencies),
            layer(seed, LayerKind::Source),
        ],
        health: HealthChecks {
            boot: (seed % 2 == 1).then(|| check("/ready?full=1")),
            live: (seed == 1).then(|| check("/up")),
        },
        process_types: ProcessTypes::parse("worker: b ünïcode\nweb: a\n".as_bytes()).unwrap(),
        commit: "c".repeat(40).parse().unwrap(),
        builder: "Python".to_owned(),
        created_at: Timestamp::from_micros(i64::from(seed)),
    }
}

/// Every verb's future can be handed to another thread.
#[expect(dead_code, reason = "that it compiles is the test")]
fn futures_can_move_between_threads(store: &'static Store, app: AppId, new: &'static NewRelease) {
    fn sendable<T: Send>(_: T) {}
    sendable(store.append_release(new));
    sendable(store.verify_chain(app));
    sendable(store.destroy_app(app));
}
