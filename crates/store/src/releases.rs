//! Releases: the ledger's entries.

use noon_domain::{
    AppId, ConfigVars, Reason, Release, ReleaseId, ReleaseStatus, SlugId, Timestamp, UserId,
    Version,
};
use sqlx::AnyConnection;

use crate::db::{all, one, run, transact};
use crate::error::not_found;
use crate::key::Keys;
use crate::ledger::{self, Entry, GENESIS, parse_reason, reason_text};
use crate::row::{Row, unread};
use crate::{Break, BrokenChain, Error, Store, config, slugs};

/// A release to be appended.
#[derive(Clone, Debug)]
pub struct NewRelease {
    /// Whose.
    pub app: AppId,
    /// What it runs.
    pub slug: Option<SlugId>,
    /// All of its config, not only what changes.
    pub config: ConfigVars,
    /// Why it is made.
    pub reason: Reason,
    /// Who makes it.
    pub by: UserId,
}

macro_rules! select_release {
    ($tail:literal) => {
        concat!(
            "SELECT r.id, r.app_id, r.version, r.slug_id, r.kind, r.detail, r.by_id, \
             r.created_at, o.status, o.at, a.current_version, s.gone \
             FROM releases r JOIN apps a ON a.id = r.app_id \
             LEFT JOIN release_outcomes o ON o.release_id = r.id \
             LEFT JOIN slugs s ON s.id = r.slug_id ",
            $tail
        )
    };
}

impl Store {
    /// Appends a release to its app's ledger, pending. The next version is its number, and no
    /// other release ever has it. What this returns is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app or the slug; [`Error::BrokenChain`] if the entry that
    /// it would follow is gone.
    pub async fn append_release(&self, new: &NewRelease) -> Result<Release, Error> {
        transact!(self, |tx| append(&mut tx, &self.keys, new))
    }

    /// An app's releases, the newest first: those below version `before`, `limit` at most.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn releases(
        &self,
        app: AppId,
        before: Option<Version>,
        limit: u32,
    ) -> Result<Vec<Release>, Error> {
        let select = select_release!(
            "WHERE r.app_id = $1 AND r.version < $2 ORDER BY r.version DESC LIMIT $3"
        );
        let before = before.map_or(i64::MAX, |version| i64::from(version.get()));
        let select = sqlx::query(select)
            .bind(app.to_string())
            .bind(before)
            .bind(i64::from(limit));
        let mut conn = self.db.read().await?;
        all(&mut conn, select).await?.iter().map(read).collect()
    }

    /// An app's release with this version.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn release(&self, app: AppId, version: Version) -> Result<Release, Error> {
        let mut conn = self.db.read().await?;
        by_version(&mut conn, app, version).await
    }

    /// Looks a release up across all apps.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn release_by_id(&self, id: ReleaseId) -> Result<Release, Error> {
        let select = sqlx::query(select_release!("WHERE r.id = $1")).bind(id.to_string());
        let mut conn = self.db.read().await?;
        read(
            &one(&mut conn, select)
                .await?
                .ok_or_else(|| not_found("release", id))?,
        )
    }

    /// What the app runs now: the newest release that succeeded. `None` without the app.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn current_release(&self, app: AppId) -> Result<Option<Release>, Error> {
        let select = select_release!("WHERE r.app_id = $1 AND r.version = a.current_version");
        let mut conn = self.db.read().await?;
        let row = one(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        row.as_ref().map(read).transpose()
    }
}

/// Appends within a transaction. Taking the version takes the app's row, so that two who append
/// at once go one after the other.
pub(crate) async fn append(
    conn: &mut AnyConnection,
    keys: &Keys,
    new: &NewRelease,
) -> Result<Release, Error> {
    let version = next_version(conn, new.app).await?;
    let kept = hold_slug(conn, new).await?;
    let id = ReleaseId::new();
    let entry = Entry {
        previous: previous(conn, new.app, version).await?,
        app: new.app,
        version,
        id,
        slug: new.slug,
        reason: new.reason.clone(),
        by: new.by,
        created_at: Timestamp::now(),
        config_digest: ledger::config_digest(keys, id, &new.config),
    };
    insert(conn, keys, &entry).await?;
    config::insert(conn, keys, &entry, &new.config).await?;
    Ok(pending(entry, kept))
}

async fn next_version(conn: &mut AnyConnection, app: AppId) -> Result<Version, Error> {
    let update = "UPDATE apps SET last_version = last_version + 1, updated_at = $2 \
        WHERE id = $1 RETURNING last_version";
    let update = sqlx::query(update)
        .bind(app.to_string())
        .bind(Timestamp::now().as_micros());
    let row = one(conn, update).await?;
    row.ok_or_else(|| not_found("app", app))?
        .version("last_version")
}

async fn hold_slug(conn: &mut AnyConnection, new: &NewRelease) -> Result<bool, Error> {
    let Some(slug) = new.slug else {
        return Ok(false);
    };
    let kept = slugs::is_kept(conn, slug).await?;
    slugs::hold(conn, new.app, slug).await?;
    Ok(kept)
}

/// The hash of the entry that `version` follows.
async fn previous(
    conn: &mut AnyConnection,
    app: AppId,
    version: Version,
) -> Result<[u8; 32], Error> {
    if version == Version::FIRST {
        return Ok(GENESIS);
    }
    let version = Version::new(version.get() - 1);
    let select = sqlx::query("SELECT hash FROM releases WHERE app_id = $1 AND version = $2")
        .bind(app.to_string())
        .bind(i64::from(version.get()));
    let missing = BrokenChain {
        app,
        version,
        why: Break::Missing,
    };
    one(conn, select).await?.ok_or(missing)?.digest("hash")
}

async fn insert(conn: &mut AnyConnection, keys: &Keys, entry: &Entry) -> Result<(), Error> {
    let hash = entry.hash();
    let (kind, detail) = reason_text(&entry.reason);
    let insert = "INSERT INTO releases (id, app_id, version, slug_id, kind, detail, by_id, \
        created_at, config_digest, previous, hash) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let insert = sqlx::query(insert)
        .bind(entry.id.to_string())
        .bind(entry.app.to_string())
        .bind(i64::from(entry.version.get()))
        .bind(entry.slug.map(|slug| slug.to_string()))
        .bind(kind.to_owned())
        .bind(detail)
        .bind(entry.by.to_string())
        .bind(entry.created_at.as_micros())
        .bind(entry.config_digest.to_vec())
        .bind(entry.previous.to_vec())
        .bind(hash.to_vec());
    run(conn, insert).await?;
    let head = ledger::head(keys, entry.app, entry.version, &hash);
    let update = sqlx::query("UPDATE apps SET head = $2 WHERE id = $1")
        .bind(entry.app.to_string())
        .bind(head.to_vec());
    run(conn, update).await.map(drop)
}

fn pending(entry: Entry, has_slug_kept: bool) -> Release {
    Release {
        id: entry.id,
        app: entry.app,
        version: entry.version,
        slug: entry.slug,
        reason: entry.reason,
        by: entry.by,
        created_at: entry.created_at,
        status: ReleaseStatus::Pending,
        updated_at: entry.created_at,
        current: false,
        has_slug_kept,
    }
}

pub(crate) async fn by_version(
    conn: &mut AnyConnection,
    app: AppId,
    version: Version,
) -> Result<Release, Error> {
    let select = select_release!("WHERE r.app_id = $1 AND r.version = $2");
    let select = sqlx::query(select)
        .bind(app.to_string())
        .bind(i64::from(version.get()));
    read(
        &one(conn, select)
            .await?
            .ok_or_else(|| not_found("release", version))?,
    )
}

fn read(row: &Row) -> Result<Release, Error> {
    let version = row.version("version")?;
    let created_at = row.time("created_at")?;
    Ok(Release {
        id: row.parse("id")?,
        app: row.parse("app_id")?,
        version,
        slug: row.maybe_parse("slug_id")?,
        reason: reason(row)?,
        by: row.parse("by_id")?,
        created_at,
        status: status(row)?,
        updated_at: row.maybe_time("at")?.unwrap_or(created_at),
        current: row.maybe_version("current_version")? == Some(version),
        has_slug_kept: row.maybe_int("gone")? == Some(0),
    })
}

pub(crate) fn reason(row: &Row) -> Result<Reason, Error> {
    parse_reason(&row.text("kind")?, &row.text("detail")?).ok_or_else(|| unread("detail"))
}

fn status(row: &Row) -> Result<ReleaseStatus, Error> {
    match row.maybe_parse::<String>("status")?.as_deref() {
        None => Ok(ReleaseStatus::Pending),
        Some("succeeded") => Ok(ReleaseStatus::Succeeded),
        Some("failed") => Ok(ReleaseStatus::Failed),
        Some(_) => Err(unread("status")),
    }
}
