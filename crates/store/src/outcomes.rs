//! How releases came out: rows beside the ledger, each given once; and what their phase printed.

use noon_domain::{AppId, ReleaseId, ReleaseStatus, Timestamp, Version};
use sqlx::AnyConnection;

use crate::db::{one, run, transact};
use crate::row::unread;
use crate::{Error, Store, apps, releases};

/// What a release phase left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseOutput {
    /// What it printed.
    pub output: String,
    /// Its exit code; `None` while it runs.
    pub exit: Option<i32>,
}

impl Store {
    /// Notes that a release succeeded. It becomes current, unless a newer one is.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Settled`] if it failed before. Once more is no harm.
    pub async fn succeed_release(&self, app: AppId, version: Version) -> Result<(), Error> {
        transact!(self, |tx| succeed(&mut tx, app, version))
    }

    /// Notes that a release failed. It never becomes current.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::Settled`] if it succeeded before. Once more is no harm.
    pub async fn fail_release(&self, app: AppId, version: Version) -> Result<(), Error> {
        transact!(self, |tx| fail(&mut tx, app, version))
    }

    /// Marks all pending releases as failed: what is pending at start was cut short. Gives how
    /// many.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn fail_pending_releases(&self) -> Result<usize, Error> {
        let count = transact!(self, |tx| fail_pending(&mut tx))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Keeps what a release phase printed so far; a later text replaces it.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the release.
    pub async fn put_phase_output(
        &self,
        id: ReleaseId,
        output: &str,
        exit: Option<i32>,
    ) -> Result<(), Error> {
        self.release_by_id(id).await?;
        let upsert = "INSERT INTO release_phases (release_id, output, exit_code) \
            VALUES ($1, $2, $3) ON CONFLICT (release_id) \
            DO UPDATE SET output = excluded.output, exit_code = excluded.exit_code";
        let upsert = sqlx::query(upsert)
            .bind(id.to_string())
            .bind(output.as_bytes().to_vec())
            .bind(exit.map(i64::from));
        let mut conn = self.db.read().await?;
        run(&mut conn, upsert).await.map(drop)
    }

    /// What a release phase left; `None` if the release had none.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn phase_output(&self, id: ReleaseId) -> Result<Option<PhaseOutput>, Error> {
        let select = "SELECT output, exit_code FROM release_phases WHERE release_id = $1";
        let mut conn = self.db.read().await?;
        let Some(row) = one(&mut conn, sqlx::query(select).bind(id.to_string())).await? else {
            return Ok(None);
        };
        let output = String::from_utf8(row.bytes("output")?).map_err(|_| unread("output"))?;
        let exit = row.maybe_int("exit_code")?.map(i32::try_from).transpose();
        Ok(Some(PhaseOutput {
            output,
            exit: exit.map_err(|_| unread("exit_code"))?,
        }))
    }
}

/// Notes success within a transaction.
pub(crate) async fn succeed(
    conn: &mut AnyConnection,
    app: AppId,
    version: Version,
) -> Result<(), Error> {
    if !settle(conn, (app, version), ReleaseStatus::Succeeded).await? {
        return Ok(());
    }
    let update = "UPDATE apps SET current_version = $2, released_at = $3 \
        WHERE id = $1 AND (current_version IS NULL OR current_version < $2)";
    let update = sqlx::query(update)
        .bind(app.to_string())
        .bind(i64::from(version.get()))
        .bind(Timestamp::now().as_micros());
    run(conn, update).await.map(drop)
}

async fn fail(conn: &mut AnyConnection, app: AppId, version: Version) -> Result<(), Error> {
    settle(conn, (app, version), ReleaseStatus::Failed)
        .await
        .map(drop)
}

/// Gives a release its outcome; false if it has this one already.
async fn settle(
    conn: &mut AnyConnection,
    (app, version): (AppId, Version),
    status: ReleaseStatus,
) -> Result<bool, Error> {
    apps::touch(conn, app).await?;
    let release = releases::by_version(conn, app, version).await?;
    if release.status == status {
        return Ok(false);
    }
    if release.status != ReleaseStatus::Pending {
        return Err(Error::Settled {
            version,
            status: release.status,
        });
    }
    let insert = "INSERT INTO release_outcomes (release_id, status, at) VALUES ($1, $2, $3)";
    let insert = sqlx::query(insert)
        .bind(release.id.to_string())
        .bind(status.as_str().to_owned())
        .bind(Timestamp::now().as_micros());
    run(conn, insert).await?;
    Ok(true)
}

async fn fail_pending(conn: &mut AnyConnection) -> Result<u64, Error> {
    let insert = "INSERT INTO release_outcomes (release_id, status, at) \
        SELECT r.id, 'failed', $1 FROM releases r \
        WHERE NOT EXISTS (SELECT 1 FROM release_outcomes o WHERE o.release_id = r.id)";
    run(conn, sqlx::query(insert).bind(Timestamp::now().as_micros())).await
}
