//! Health checks: how a slug's web processes are judged.

use noon_domain::{HealthCheck, HealthChecks, Rhythm, Slug, SlugId};
use sqlx::AnyConnection;

use crate::Error;
use crate::db::{all, run};
use crate::row::{Row, unread};

/// Asked while a process boots.
const BOOT: &str = "boot";
/// Asked while it lives.
const LIVE: &str = "live";

/// Remembers the checks of a slug; once more is no harm.
pub(crate) async fn put(conn: &mut AnyConnection, slug: &Slug) -> Result<(), Error> {
    let HealthChecks { boot, live } = &slug.health;
    let insert = "INSERT INTO slug_checks (slug_id, moment, path, timeout, attempts, wait) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    for (moment, check) in [(BOOT, boot), (LIVE, live)] {
        let Some(check) = check else { continue };
        let rhythm = check.rhythm();
        let insert = sqlx::query(insert)
            .bind(slug.id.to_string())
            .bind(moment)
            .bind(check.path().to_owned())
            .bind(i64::from(rhythm.timeout))
            .bind(i64::from(rhythm.attempts))
            .bind(i64::from(rhythm.wait));
        run(conn, insert).await?;
    }
    Ok(())
}

/// The checks of a slug; none of one of before there were any.
pub(crate) async fn of(conn: &mut AnyConnection, id: SlugId) -> Result<HealthChecks, Error> {
    let select = "SELECT moment, path, timeout, attempts, wait FROM slug_checks WHERE slug_id = $1";
    let mut checks = HealthChecks::default();
    for row in all(conn, sqlx::query(select).bind(id.to_string())).await? {
        let check = Some(check(&row)?);
        match row.text("moment")?.as_str() {
            BOOT => checks.boot = check,
            LIVE => checks.live = check,
            _ => return Err(unread("moment")),
        }
    }
    Ok(checks)
}

fn check(row: &Row) -> Result<HealthCheck, Error> {
    let rhythm = Rhythm {
        timeout: row.number("timeout")?,
        attempts: row.number("attempts")?,
        wait: row.number("wait")?,
    };
    HealthCheck::new(&row.text("path")?, rhythm).map_err(|_| unread("path"))
}
