//! The formation, and from when on its processes must have started.

use noon_domain::{
    AppId, Formation, ProcessFilter, ProcessName, ProcessSettings, ProcessType, Quantity, Timeout,
    Timeouts, Timestamp,
};
use sqlx::AnyConnection;

use crate::db::{all, run, transact};
use crate::row::{Row, unread};
use crate::{Error, Store, apps};

impl Store {
    /// An app's formation, with what is set for its types; no quantities before its first deploy.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn formation(&self, app: AppId) -> Result<Formation, Error> {
        let select = "SELECT type, quantity FROM formation WHERE app_id = $1 ORDER BY type";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        let quantities = rows.iter().map(quantity).collect::<Result<_, _>>()?;
        let select = "SELECT type, size, boot_timeout, stop_timeout FROM process_settings \
            WHERE app_id = $1 ORDER BY type";
        let rows = all(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        let set = rows.iter().map(settings).collect::<Result<_, _>>()?;
        Ok(Formation::from_map(quantities).with_settings(set))
    }

    /// Replaces an app's formation as a whole.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app.
    pub async fn set_formation(&self, app: AppId, formation: &Formation) -> Result<(), Error> {
        transact!(self, |tx| replace(&mut tx, app, formation))
    }

    /// Asks that processes which started before `at` be replaced: a restart. Narrower wishes that
    /// this one covers are forgotten.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app.
    pub async fn set_not_before(
        &self,
        app: AppId,
        which: &ProcessFilter,
        at: Timestamp,
    ) -> Result<(), Error> {
        transact!(self, |tx| restart(&mut tx, app, which, at))
    }

    /// An app's restarts. Of several that mean a process, the latest counts.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn not_before(&self, app: AppId) -> Result<Vec<(ProcessFilter, Timestamp)>, Error> {
        let select = "SELECT type, ordinal, not_before FROM restarts WHERE app_id = $1 \
            ORDER BY type, ordinal";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        rows.iter()
            .map(|row| Ok((filter(row)?, row.time("not_before")?)))
            .collect()
    }
}

async fn replace(conn: &mut AnyConnection, app: AppId, formation: &Formation) -> Result<(), Error> {
    apps::touch(conn, app).await?;
    let delete = sqlx::query("DELETE FROM formation WHERE app_id = $1").bind(app.to_string());
    run(conn, delete).await?;
    for (kind, quantity) in formation.iter() {
        let insert = "INSERT INTO formation (app_id, type, quantity) VALUES ($1, $2, $3)";
        let insert = sqlx::query(insert)
            .bind(app.to_string())
            .bind(kind.to_string())
            .bind(i64::from(quantity.get()));
        run(conn, insert).await?;
    }
    replace_settings(conn, app, formation).await
}

async fn replace_settings(
    conn: &mut AnyConnection,
    app: AppId,
    formation: &Formation,
) -> Result<(), Error> {
    let delete = "DELETE FROM process_settings WHERE app_id = $1";
    run(conn, sqlx::query(delete).bind(app.to_string())).await?;
    for (kind, ProcessSettings { size, timeouts }) in formation.iter_settings() {
        let insert = "INSERT INTO process_settings (app_id, type, size, boot_timeout, stop_timeout) \
            VALUES ($1, $2, $3, $4, $5)";
        let insert = sqlx::query(insert)
            .bind(app.to_string())
            .bind(kind.to_string())
            .bind(size.to_string())
            .bind(seconds(timeouts.boot))
            .bind(seconds(timeouts.stop));
        run(conn, insert).await?;
    }
    Ok(())
}

/// At most an hour.
fn seconds(timeout: Option<Timeout>) -> Option<i64> {
    i64::try_from(timeout?.as_secs()).ok()
}

async fn restart(
    conn: &mut AnyConnection,
    app: AppId,
    which: &ProcessFilter,
    at: Timestamp,
) -> Result<(), Error> {
    apps::touch(conn, app).await?;
    let (kind, ordinal) = place(which);
    // What is covered: all, all of the type, or the one.
    let delete = "DELETE FROM restarts WHERE app_id = $1 \
        AND ($2 = '' OR type = $2) AND ($3 = -1 OR ordinal = $3)";
    let delete = sqlx::query(delete)
        .bind(app.to_string())
        .bind(kind.clone())
        .bind(ordinal);
    run(conn, delete).await?;
    let insert = "INSERT INTO restarts (app_id, type, ordinal, not_before) VALUES ($1, $2, $3, $4)";
    let insert = sqlx::query(insert)
        .bind(app.to_string())
        .bind(kind)
        .bind(ordinal)
        .bind(at.as_micros());
    run(conn, insert).await.map(drop)
}

fn place(which: &ProcessFilter) -> (String, i64) {
    match which {
        ProcessFilter::All => (String::new(), -1),
        ProcessFilter::Type(kind) => (kind.to_string(), -1),
        ProcessFilter::Name(name) => (name.kind.to_string(), i64::from(name.ordinal)),
    }
}

fn filter(row: &Row) -> Result<ProcessFilter, Error> {
    if row.text("type")?.is_empty() {
        return Ok(ProcessFilter::All);
    }
    let kind: ProcessType = row.parse("type")?;
    match row.int("ordinal")? {
        -1 => Ok(ProcessFilter::Type(kind)),
        _ => Ok(ProcessFilter::Name(ProcessName {
            kind,
            ordinal: row.number("ordinal")?,
        })),
    }
}

fn quantity(row: &Row) -> Result<(ProcessType, Quantity), Error> {
    let quantity = Quantity::new(row.number("quantity")?).map_err(|_| unread("quantity"))?;
    Ok((row.parse("type")?, quantity))
}

fn settings(row: &Row) -> Result<(ProcessType, ProcessSettings), Error> {
    let settings = ProcessSettings {
        size: row.parse("size")?,
        timeouts: Timeouts {
            boot: timeout(row, "boot_timeout")?,
            stop: timeout(row, "stop_timeout")?,
        },
    };
    Ok((row.parse("type")?, settings))
}

fn timeout(row: &Row, column: &'static str) -> Result<Option<Timeout>, Error> {
    let Some(_) = row.maybe_int(column)? else {
        return Ok(None);
    };
    let timeout = Timeout::from_secs(row.number(column)?);
    timeout.map(Some).map_err(|_| unread(column))
}
