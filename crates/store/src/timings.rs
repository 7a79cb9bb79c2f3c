//! How long processes took to boot and to stop: kept in batches, and of each release only the
//! newest.

use std::collections::BTreeSet;
use std::time::Duration;

use noon_domain::{AppId, ProcessId, ProcessName, Timing, Took, Version};
use sqlx::AnyConnection;

use crate::db::{all, run, transact};
use crate::row::{Row, unread};
use crate::{Error, Store};

/// Of each release, type and kind of timing, so many of the newest are kept.
const KEPT: i64 = 200;
/// Of each app, the timings of so many of the newest versions are kept.
const KEPT_VERSIONS: i64 = 100;

impl Store {
    /// Keeps timings, all in one transaction. One that is kept already is no harm; those of apps
    /// that are gone are passed over.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn add_timings(&self, timings: &[Timing]) -> Result<(), Error> {
        if timings.is_empty() {
            return Ok(());
        }
        transact!(self, |tx| add(&mut tx, timings))
    }

    /// The timings of one release that are kept, the newest first.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn timings(&self, app: AppId, version: Version) -> Result<Vec<Timing>, Error> {
        let select = "SELECT app_id, version, process_id, type, ordinal, what, micros, at \
            FROM timings WHERE app_id = $1 AND version = $2 ORDER BY at DESC, process_id";
        let select = sqlx::query(select)
            .bind(app.to_string())
            .bind(i64::from(version.get()));
        let mut conn = self.db.read().await?;
        all(&mut conn, select).await?.iter().map(read).collect()
    }

    /// For each place of an app the newest boot and the newest stop that are kept, of whatever
    /// release.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn last_timings(&self, app: AppId) -> Result<Vec<Timing>, Error> {
        let select = "SELECT t.app_id, t.version, t.process_id, t.type, t.ordinal, t.what, \
            t.micros, t.at FROM timings t JOIN (SELECT type, ordinal, what, MAX(at) AS newest \
            FROM timings WHERE app_id = $1 GROUP BY type, ordinal, what) n \
            ON n.type = t.type AND n.ordinal = t.ordinal AND n.what = t.what AND n.newest = t.at \
            WHERE t.app_id = $1 ORDER BY t.type, t.ordinal, t.what, t.process_id";
        let select = sqlx::query(select).bind(app.to_string());
        let mut conn = self.db.read().await?;
        all(&mut conn, select).await?.iter().map(read).collect()
    }
}

async fn add(conn: &mut AnyConnection, timings: &[Timing]) -> Result<(), Error> {
    for timing in timings {
        insert(conn, timing).await?;
    }
    let key = |t: &Timing| (t.app, t.release, t.name.kind.clone(), word(t.what));
    let touched: BTreeSet<_> = timings.iter().map(key).collect();
    for (app, version, kind, what) in &touched {
        let trim = "DELETE FROM timings WHERE app_id = $1 AND version = $2 AND type = $3 \
            AND what = $4 AND process_id NOT IN (SELECT process_id FROM timings \
            WHERE app_id = $1 AND version = $2 AND type = $3 AND what = $4 \
            ORDER BY at DESC, process_id DESC LIMIT $5)";
        let trim = sqlx::query(trim)
            .bind(app.to_string())
            .bind(i64::from(version.get()))
            .bind(kind.to_string())
            .bind(*what)
            .bind(KEPT);
        run(conn, trim).await?;
    }
    for app in touched.iter().map(|(app, ..)| app).collect::<BTreeSet<_>>() {
        let forget = "DELETE FROM timings WHERE app_id = $1 AND version <= \
            (SELECT last_version FROM apps WHERE id = $1) - $2";
        let forget = sqlx::query(forget)
            .bind(app.to_string())
            .bind(KEPT_VERSIONS);
        run(conn, forget).await?;
    }
    Ok(())
}

async fn insert(conn: &mut AnyConnection, timing: &Timing) -> Result<(), Error> {
    let insert = "INSERT INTO timings \
        (app_id, version, process_id, type, ordinal, what, micros, at) \
        SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM apps WHERE id = $1 \
        ON CONFLICT (process_id, what) DO NOTHING";
    let micros = i64::try_from(timing.what.duration().as_micros()).unwrap_or(i64::MAX);
    let insert = sqlx::query(insert)
        .bind(timing.app.to_string())
        .bind(i64::from(timing.release.get()))
        .bind(timing.process.to_string())
        .bind(timing.name.kind.to_string())
        .bind(i64::from(timing.name.ordinal))
        .bind(word(timing.what))
        .bind(micros)
        .bind(timing.at.as_micros());
    run(conn, insert).await.map(drop)
}

const fn word(what: Took) -> &'static str {
    match what {
        Took::Boot(_) => "boot",
        Took::Stop(_) => "stop",
    }
}

fn read(row: &Row) -> Result<Timing, Error> {
    let took = Duration::from_micros(row.number("micros")?);
    let what = match row.text("what")?.as_str() {
        "boot" => Took::Boot(took),
        "stop" => Took::Stop(took),
        _ => return Err(unread("what")),
    };
    Ok(Timing {
        app: row.parse::<AppId>("app_id")?,
        release: row.version("version")?,
        process: row.parse::<ProcessId>("process_id")?,
        name: ProcessName {
            kind: row.parse("type")?,
            ordinal: row.number("ordinal")?,
        },
        what,
        at: row.time("at")?,
    })
}
