//! The ledger's lock: the database itself refuses to change it.

use crate::backend::Backend;
use crate::promises;
use crate::world::World;

const TABLES: [(&str, &str); 3] = [
    ("releases", "detail = detail"),
    ("release_config", "name = name"),
    ("release_outcomes", "at = at"),
];

async fn world(db: &Backend) -> World {
    let world = World::new(db).await;
    let release = world.append(&[("A", "1")]).await;
    world
        .store
        .succeed_release(world.app.id, release.version)
        .await
        .unwrap();
    world
}

async fn refused(db: &Backend, sql: &str) {
    let error = db.raw_sql(sql).await.expect_err(sql);
    assert!(error.contains("is append-only"), "{sql}: {error}");
}

promises! {
    async fn the_database_refuses_to_update_the_ledger(db: &Backend) {
        let world = world(db).await;
        for (table, set) in TABLES {
            refused(db, &format!("UPDATE {table} SET {set}")).await;
        }
        world.store.verify_chain(world.app.id).await.unwrap();
    }

    async fn the_database_refuses_to_delete_from_the_ledger(db: &Backend) {
        let world = world(db).await;
        for (table, _) in TABLES {
            refused(db, &format!("DELETE FROM {table}")).await;
        }
        world.store.verify_chain(world.app.id).await.unwrap();
    }

    async fn the_database_refuses_to_empty_or_replace_the_ledger(db: &Backend) {
        let world = world(db).await;
        for (table, _) in TABLES {
            let sql = match db.is_sqlite() {
                true => format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"),
                false => format!("TRUNCATE {table} CASCADE"),
            };
            refused(db, &sql).await;
        }
        world.store.verify_chain(world.app.id).await.unwrap();
    }

    async fn an_app_with_a_ledger_cannot_be_deleted_by_hand(db: &Backend) {
        let world = world(db).await;
        db.raw_sql("DELETE FROM apps").await.expect_err("the app went");
        world.store.verify_chain(world.app.id).await.unwrap();
    }
}
