//! What was changed by whoever owns the database is named, with the entry and the reason.

use noon_domain::Version;
use noon_store::{Break, BrokenChain, ChainReport, Error};
use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::backend::Backend;
use crate::promises;
use crate::world::World;

/// A ledger of four entries whose lock is off.
async fn world(db: &Backend) -> World {
    let world = World::new(db).await;
    for value in ["1", "2", "3"] {
        world.append(&[("A", value), ("B", "same")]).await;
    }
    db.drop_triggers().await;
    let whole = world.store.verify_chain(world.app.id).await.unwrap();
    assert_eq!(whole, ChainReport { entries: 4 });
    world
}

async fn verdict(world: &World) -> (u32, Break) {
    match world.store.verify_chain(world.app.id).await {
        Err(Error::BrokenChain(BrokenChain { app, version, why })) => {
            assert_eq!(app, world.app.id);
            (version.get(), why)
        }
        other => panic!("the tampering was not seen: {other:?}"),
    }
}

fn altered(what: &str) -> Break {
    Break::Altered {
        what: what.to_owned(),
    }
}

const OF_V3: &str = "release_id = (SELECT id FROM releases WHERE version = 3)";

promises! {
    async fn a_changed_reason_is_named(db: &Backend) {
        let world = world(db).await;
        db.raw_sql("UPDATE releases SET detail = '+C' WHERE version = 3").await.unwrap();
        assert_eq!(verdict(&world).await, (3, altered("the entry")));
        let error = world.store.verify_chain(world.app.id).await.unwrap_err().to_string();
        assert!(error.contains("is broken at v3: the entry was altered"), "{error}");
    }

    async fn every_other_changed_column_is_named(db: &Backend) {
        let world = world(db).await;
        let other = world.store.ensure_owner("other@example.com").await.unwrap().id;
        for set in [
            "kind = 'created', detail = ''",
            "kind = 'nonsense'",
            "created_at = created_at + 1",
            "hash = config_digest",
            &format!("by_id = '{other}'"),
        ] {
            let keep = "CREATE TABLE kept AS SELECT * FROM releases WHERE version = 2";
            db.raw_sql(keep).await.unwrap();
            db.raw_sql(&format!("UPDATE releases SET {set} WHERE version = 2")).await.unwrap();
            assert_eq!(verdict(&world).await, (2, altered("the entry")), "{set}");
            let back = "UPDATE releases SET kind = (SELECT kind FROM kept), \
                detail = (SELECT detail FROM kept), created_at = (SELECT created_at FROM kept), \
                hash = (SELECT hash FROM kept), by_id = (SELECT by_id FROM kept) \
                WHERE version = 2; DROP TABLE kept;";
            db.raw_sql(back).await.unwrap();
            world.store.verify_chain(world.app.id).await.unwrap();
        }
    }

    async fn a_changed_sealed_value_is_named(db: &Backend) {
        let world = world(db).await;
        // The value of another release, sealed under the same key.
        let sql = format!(
            "UPDATE release_config SET sealed = (SELECT c.sealed FROM release_config c \
             JOIN releases r ON r.id = c.release_id WHERE r.version = 2 AND c.name = 'A') \
             WHERE name = 'A' AND {OF_V3}"
        );
        db.raw_sql(&sql).await.unwrap();
        assert_eq!(verdict(&world).await, (3, altered("the value of A")));
        let read = world.store.config(world.app.id, Version::new(3)).await;
        assert!(matches!(read, Err(Error::BrokenChain(_))), "an altered value was handed out");
    }

    async fn a_removed_config_var_is_named(db: &Backend) {
        let world = world(db).await;
        let sql = format!("DELETE FROM release_config WHERE name = 'B' AND {OF_V3}");
        db.raw_sql(&sql).await.unwrap();
        assert_eq!(verdict(&world).await, (3, altered("its config")));
    }

    async fn a_renamed_config_var_is_named(db: &Backend) {
        let world = world(db).await;
        let sql = format!("UPDATE release_config SET name = 'C' WHERE name = 'B' AND {OF_V3}");
        db.raw_sql(&sql).await.unwrap();
        assert_eq!(verdict(&world).await, (3, altered("the value of C")));
    }

    async fn a_removed_entry_is_named(db: &Backend) {
        let world = world(db).await;
        remove(db, 3).await;
        assert_eq!(verdict(&world).await, (3, Break::Missing));
    }

    async fn a_removed_newest_entry_is_named(db: &Backend) {
        let world = world(db).await;
        remove(db, 4).await;
        assert_eq!(verdict(&world).await, (4, Break::Missing));
        let refused = world.store.append_release(&world.release(&[])).await;
        assert!(matches!(refused, Err(Error::BrokenChain(_))), "a hole was built upon");
        // With the counter set back too, the seal on the app still tells.
        db.raw_sql("UPDATE apps SET last_version = 3").await.unwrap();
        assert_eq!(verdict(&world).await, (3, altered("the app's seal on it")));
    }

    async fn a_removed_first_entry_is_named(db: &Backend) {
        let world = world(db).await;
        db.raw_sql("UPDATE apps SET current_version = NULL").await.unwrap();
        remove(db, 1).await;
        assert_eq!(verdict(&world).await, (1, Break::Missing));
    }

    async fn swapped_entries_are_named(db: &Backend) {
        let world = world(db).await;
        db.raw_sql(
            "UPDATE releases SET version = 99 WHERE version = 2; \
             UPDATE releases SET version = 2 WHERE version = 3; \
             UPDATE releases SET version = 3 WHERE version = 99;",
        )
        .await
        .unwrap();
        assert_eq!(verdict(&world).await, (2, Break::OutOfOrder));
    }

    async fn a_newest_entry_forged_with_all_its_hashes_is_named_for_want_of_the_key(db: &Backend) {
        let world = world(db).await;
        let sql = "SELECT id, by_id, created_at, config_digest, previous, hash FROM releases \
            WHERE version = 4";
        let row = &db.raw_rows(sql).await[0];
        assert_eq!(hash(&world, row, "+A +B"), row.get::<Vec<u8>, _>("hash"), "no true forger");
        let forged = hash(&world, row, "+C");
        let forged: String = forged.iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = match db.is_sqlite() {
            true => format!("x'{forged}'"),
            false => format!("decode('{forged}', 'hex')"),
        };
        let sql = format!("UPDATE releases SET detail = '+C', hash = {bytes} WHERE version = 4");
        db.raw_sql(&sql).await.unwrap();
        assert_eq!(verdict(&world).await, (4, altered("the app's seal on it")));
    }

    async fn a_ledger_that_is_another_apps_is_named(db: &Backend) {
        let world = world(db).await;
        let other = world.another("second").await;
        let sql = format!(
            "UPDATE releases SET version = 5, app_id = '{0}' WHERE app_id = '{1}' AND version = 1; \
             UPDATE releases SET app_id = '{1}' WHERE app_id = '{0}' AND version = 1;",
            other.id, world.app.id
        );
        db.raw_sql(&sql).await.unwrap();
        assert_eq!(verdict(&world).await, (1, altered("the entry")));
    }
}

/// The hash of the fourth entry with another detail, as anyone can take it who can read this.
fn hash(world: &World, row: &sqlx::any::AnyRow, detail: &str) -> Vec<u8> {
    let id = |column: &str| row.get::<String, _>(column).parse::<uuid::Uuid>().unwrap();
    let words = detail.replace('+', "").replace(' ', ", ");
    let fields: [Vec<u8>; 12] = [
        b"noon 1: ledger entry".to_vec(),
        row.get("previous"),
        world.app.id.as_uuid().as_bytes().to_vec(),
        4_u32.to_be_bytes().to_vec(),
        id("id").as_bytes().to_vec(),
        vec![],
        b"configured".to_vec(),
        detail.as_bytes().to_vec(),
        format!("Set {words} config vars").into_bytes(),
        id("by_id").as_bytes().to_vec(),
        row.get::<i64, _>("created_at").to_be_bytes().to_vec(),
        row.get("config_digest"),
    ];
    let mut hash = Sha256::new();
    for field in fields {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().to_vec()
}

async fn remove(db: &Backend, version: u32) {
    let of = format!("release_id = (SELECT id FROM releases WHERE version = {version})");
    let sql = format!(
        "DELETE FROM release_config WHERE {of}; DELETE FROM release_outcomes WHERE {of}; \
         DELETE FROM releases WHERE version = {version};"
    );
    db.raw_sql(&sql).await.unwrap();
}
