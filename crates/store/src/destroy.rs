//! The end of an app: all of it goes, the ledger too. The only door through the ledger's lock.

use noon_domain::AppId;
use sqlx::AnyConnection;

use crate::db::{all, run, transact};
use crate::error::not_found;
use crate::{Error, Store, apps};

/// What goes before the app's own row, whose cascade takes the rest. Parts before what they are of.
const LEDGER: [&str; 4] = [
    "DELETE FROM release_config WHERE release_id IN (SELECT id FROM releases WHERE app_id = $1)",
    "DELETE FROM release_outcomes WHERE release_id IN (SELECT id FROM releases WHERE app_id = $1)",
    "DELETE FROM releases WHERE app_id = $1",
    "DELETE FROM apps WHERE id = $1",
];

impl Store {
    /// Forgets an app with all its releases, config, builds and domains. Its slot is free then.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn destroy_app(&self, id: AppId) -> Result<(), Error> {
        transact!(self, |tx| destroy(&mut tx, id))
    }
}

async fn destroy(conn: &mut AnyConnection, id: AppId) -> Result<(), Error> {
    apps::lock_slots(conn).await?;
    let mark = sqlx::query("UPDATE apps SET destroying = 1 WHERE id = $1").bind(id.to_string());
    if run(conn, mark).await? == 0 {
        return Err(not_found("app", id));
    }
    let slugs = slugs_of_no_other(conn, id).await?;
    for delete in LEDGER {
        run(conn, sqlx::query(delete).bind(id.to_string())).await?;
    }
    for slug in slugs {
        run(
            conn,
            sqlx::query("DELETE FROM slugs WHERE id = $1").bind(slug),
        )
        .await?;
    }
    Ok(())
}

async fn slugs_of_no_other(conn: &mut AnyConnection, id: AppId) -> Result<Vec<String>, Error> {
    let select = "SELECT a.slug_id FROM app_slugs a WHERE a.app_id = $1 AND NOT EXISTS \
        (SELECT 1 FROM app_slugs b WHERE b.slug_id = a.slug_id AND b.app_id <> a.app_id)";
    let rows = all(conn, sqlx::query(select).bind(id.to_string())).await?;
    rows.iter().map(|row| row.text("slug_id")).collect()
}
