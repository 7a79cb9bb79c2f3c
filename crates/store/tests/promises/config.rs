//! Config vars: kept with each release, sealed.

use noon_domain::{AppId, Version};
use noon_store::{Error, MasterKey, Store};

use crate::backend::Backend;
use crate::promises;
use crate::world::{World, vars};

promises! {
    async fn each_release_keeps_its_own_config(db: &Backend) {
        let world = World::new(db).await;
        let (store, app) = (&world.store, &world.app);
        let second = world.append(&[("A", "1"), ("EMPTY", "")]).await;
        let third = world.append(&[("A", "2 ünïcode\n"), ("B", "1")]).await;
        let config = store.config(app.id, second.version).await.unwrap();
        assert_eq!(config, vars(&[("A", "1"), ("EMPTY", "")]));
        let config = store.config(app.id, third.version).await.unwrap();
        assert_eq!(config, vars(&[("A", "2 ünïcode\n"), ("B", "1")]));
        let none = store.config(app.id, Version::new(9)).await;
        assert!(matches!(none, Err(Error::NotFound { what: "release", .. })));
    }

    async fn the_current_config_is_that_of_the_newest_release_that_succeeded(db: &Backend) {
        let world = World::new(db).await;
        let (store, app) = (&world.store, world.app.id);
        let good = world.append(&[("A", "good")]).await;
        assert!(store.current_config(app).await.unwrap().is_empty());
        store.succeed_release(app, good.version).await.unwrap();
        let bad = world.append(&[("A", "bad")]).await;
        store.fail_release(app, bad.version).await.unwrap();
        world.append(&[("A", "pending")]).await;
        assert_eq!(store.current_config(app).await.unwrap(), vars(&[("A", "good")]));
        let none = store.current_config(AppId::new()).await;
        assert!(matches!(none, Err(Error::NotFound { what: "app", .. })));
    }

    async fn no_value_is_anywhere_in_the_database(db: &Backend) {
        let world = World::new(db).await;
        let value = "s3cret-4d1c9f-only-here";
        let release = world.append(&[("A_NAME_TO_FIND", value)]).await;
        let config = world.store.config(world.app.id, release.version).await.unwrap();
        assert_eq!(config, vars(&[("A_NAME_TO_FIND", value)]));
        let bytes = db.bytes().await;
        let found = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(found("A_NAME_TO_FIND"), "the test does not see what is written");
        assert!(!found(value), "a config value is in the database");
    }

    async fn another_master_key_is_refused_in_one_clear_sentence(db: &Backend) {
        World::new(db).await;
        let other = MasterKey::generate().unwrap();
        let refused = Store::open(&db.url, &other).await.unwrap_err();
        assert!(matches!(refused, Error::WrongKey));
        assert_eq!(
            refused.to_string(),
            "the master key does not open this database: give the key that it was made with"
        );
        Store::open(&db.url, &db.key).await.unwrap();
    }

    async fn two_that_open_a_new_database_at_once_both_may(db: &Backend) {
        let open = || {
            let (url, key) = (db.url.clone(), db.key.clone());
            tokio::spawn(async move { Store::open(&url, &key).await })
        };
        for opened in (0..8).map(|_| open()).collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
    }
}
