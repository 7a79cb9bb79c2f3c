//! The tables, and how a database comes to have them.

use sqlx::{AnyConnection, AssertSqlSafe};

use crate::db::{Db, Kind, all, one, run};
use crate::error::from_sql;
use crate::key::Keys;
use crate::{Error, db, seal};

/// All steps, the oldest first. A step that was ever released is never changed.
const STEPS: [fn(Kind) -> String; 5] = [
    first,
    |_| NETWORKS.to_owned(),
    |_| include_str!("../schema/process_settings.sql").to_owned(),
    |_| include_str!("../schema/timings.sql").to_owned(),
    |_| LINKS.to_owned(),
];

/// NULL: as the platform has it.
const NETWORKS: &str = "ALTER TABLE apps ADD COLUMN network TEXT";

const LINKS: &str = "CREATE TABLE links (
    from_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    to_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (from_id, to_id)
);
CREATE INDEX links_by_target ON links (to_id)";

/// What the key must open.
const CHECK: &[u8] = b"noon";

fn first(kind: Kind) -> String {
    let (bytes, triggers) = match kind {
        Kind::Sqlite => (" BLOB", include_str!("../schema/triggers_sqlite.sql")),
        Kind::Postgres => (" BYTEA", include_str!("../schema/triggers_postgres.sql")),
    };
    let tables = include_str!("../schema/tables.sql").replace(" BYTES", bytes);
    format!("{tables}\n{triggers}")
}

struct Migrating<'a> {
    db: &'a Db,
}

/// Takes the steps that the database lacks, all in one transaction.
pub(crate) async fn migrate(db: &Db) -> Result<(), Error> {
    let place = Migrating { db };
    db::transact!(place, |tx| take_steps(&mut tx, db.kind))
}

async fn take_steps(conn: &mut AnyConnection, kind: Kind) -> Result<(), Error> {
    if kind == Kind::Postgres {
        // Two that start at once would both make the tables. Any number will do as the lock's name.
        run(conn, sqlx::query("SELECT pg_advisory_xact_lock(6999710)")).await?;
    }
    let table = "CREATE TABLE IF NOT EXISTS noon_schema (version BIGINT PRIMARY KEY)";
    run(conn, sqlx::query(table)).await?;
    let taken = all(conn, sqlx::query("SELECT version FROM noon_schema")).await?;
    let found = taken
        .iter()
        .map(|row| row.int("version"))
        .try_fold(0, |a, b| b.map(|b| a.max(b)))?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    for (version, step) in (1..)
        .zip(STEPS)
        .skip_while(|(version, _)| *version <= found)
    {
        let sql = sqlx::raw_sql(AssertSqlSafe(step(kind)));
        sql.execute(&mut *conn).await.map_err(from_sql)?;
        let insert = sqlx::query("INSERT INTO noon_schema (version) VALUES ($1)");
        run(conn, insert.bind::<i64>(version)).await?;
    }
    Ok(())
}

/// Sees that the key opens what this database was sealed with, or seals a first value with it.
pub(crate) async fn check_key(db: &Db, keys: &Keys) -> Result<(), Error> {
    let sealed = seal::seal(&keys.seal, b"noon 1: check", CHECK)?;
    let insert = "INSERT INTO meta (name, value) VALUES ('key check', $1) ON CONFLICT DO NOTHING";
    let mut conn = db.read().await?;
    let read = || sqlx::query("SELECT value FROM meta WHERE name = 'key check'");
    let row = match one(&mut conn, read()).await? {
        Some(row) => Some(row),
        None => {
            run(&mut conn, sqlx::query(insert).bind(sealed)).await?;
            one(&mut conn, read()).await?
        }
    };
    let kept = row.ok_or(Error::WrongKey)?.bytes("value")?;
    match seal::open(&keys.seal, b"noon 1: check", &kept).as_deref() {
        Some(CHECK) => Ok(()),
        _ => Err(Error::WrongKey),
    }
}
