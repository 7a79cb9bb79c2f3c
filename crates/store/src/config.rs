//! Config vars (factor III), sealed, one set for each release.

use std::collections::BTreeMap;

use noon_domain::{AppId, ConfigKey, ConfigVars, ReleaseId, Secret, Version};
use sqlx::AnyConnection;

use crate::db::{all, one, run};
use crate::error::not_found;
use crate::key::Keys;
use crate::ledger::Entry;
use crate::seal::{self, Belongs};
use crate::{Break, BrokenChain, Error, Store};

impl Store {
    /// The config of one release.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::BrokenChain`] if a value was altered.
    pub async fn config(&self, app: AppId, version: Version) -> Result<ConfigVars, Error> {
        let select = sqlx::query("SELECT id FROM releases WHERE app_id = $1 AND version = $2")
            .bind(app.to_string())
            .bind(i64::from(version.get()));
        let mut conn = self.db.read().await?;
        let row = one(&mut conn, select)
            .await?
            .ok_or_else(|| not_found("release", version))?;
        read(
            &mut conn,
            &self.keys,
            Of {
                app,
                version,
                id: row.parse("id")?,
            },
        )
        .await
    }

    /// The config of the newest release that succeeded: what the app has now, and what a change
    /// starts from.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app, and [`Error::BrokenChain`] if a value was altered.
    pub async fn current_config(&self, app: AppId) -> Result<ConfigVars, Error> {
        let select = "SELECT r.id, r.version FROM releases r JOIN apps a ON a.id = r.app_id \
            WHERE a.id = $1 AND r.version = a.current_version";
        let mut conn = self.db.read().await?;
        let row = one(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        let row = row.ok_or_else(|| not_found("app", app))?;
        let of = Of {
            app,
            version: row.version("version")?,
            id: row.parse("id")?,
        };
        read(&mut conn, &self.keys, of).await
    }
}

/// Whose config.
#[derive(Clone, Copy)]
pub(crate) struct Of {
    pub(crate) app: AppId,
    pub(crate) version: Version,
    pub(crate) id: ReleaseId,
}

/// Seals a release's config and writes it.
pub(crate) async fn insert(
    conn: &mut AnyConnection,
    keys: &Keys,
    entry: &Entry,
    config: &ConfigVars,
) -> Result<(), Error> {
    for (name, value) in config.iter() {
        let at = Belongs {
            app: entry.app,
            version: entry.version,
            name,
        };
        let sealed = seal::seal_value(&keys.seal, at, value.expose())?;
        let insert = "INSERT INTO release_config (release_id, name, sealed) VALUES ($1, $2, $3)";
        let insert = sqlx::query(insert)
            .bind(entry.id.to_string())
            .bind(name.to_string())
            .bind(sealed);
        run(conn, insert).await?;
    }
    Ok(())
}

/// Reads and opens a release's config.
pub(crate) async fn read(
    conn: &mut AnyConnection,
    keys: &Keys,
    of: Of,
) -> Result<ConfigVars, Error> {
    let select = "SELECT name, sealed FROM release_config WHERE release_id = $1";
    let rows = all(conn, sqlx::query(select).bind(of.id.to_string())).await?;
    let mut vars = BTreeMap::new();
    for row in rows {
        let name: ConfigKey = row.parse("name")?;
        let at = Belongs {
            app: of.app,
            version: of.version,
            name: &name,
        };
        let value = seal::open_value(&keys.seal, at, &row.bytes("sealed")?);
        let value = value.ok_or_else(|| altered(of, &name))?;
        vars.insert(name, Secret::new(value));
    }
    Ok(ConfigVars::from_map(vars))
}

fn altered(of: Of, name: &ConfigKey) -> BrokenChain {
    let what = format!("the value of {name}");
    BrokenChain {
        app: of.app,
        version: of.version,
        why: Break::Altered { what },
    }
}
