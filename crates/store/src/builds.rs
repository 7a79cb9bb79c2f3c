//! Builds and their output.

use noon_domain::{
    AppId, Build, BuildId, BuildStatus, Commit, SlugId, StackName, Timestamp, UserId, Version,
};
use sqlx::AnyConnection;

use crate::db::{all, one, run, transact};
use crate::error::not_found;
use crate::row::{Row, unread};
use crate::{Error, Store, apps};

/// A build that begins.
#[derive(Clone, Debug)]
pub struct NewBuild {
    /// Whose.
    pub app: AppId,
    /// Who pushed.
    pub by: UserId,
    /// What was pushed.
    pub commit: Commit,
    /// The stack it is built on.
    pub stack: StackName,
}

macro_rules! select_build {
    ($tail:literal) => {
        concat!(
            "SELECT id, app_id, by_id, commit_id, stack, status, slug_id, release_version, \
             created_at, updated_at FROM builds ",
            $tail
        )
    };
}

impl Store {
    /// Remembers a build that begins.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app.
    pub async fn create_build(&self, new: &NewBuild) -> Result<Build, Error> {
        transact!(self, |tx| create(&mut tx, new))
    }

    /// Remembers how a build came out. `output` is what was not appended yet.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the build.
    pub async fn finish_build(
        &self,
        id: BuildId,
        made: Option<SlugId>,
        output: &str,
    ) -> Result<Build, Error> {
        transact!(self, |tx| finish(&mut tx, id, made, output))
    }

    /// Notes the release that a build led to.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the build.
    pub async fn link_build_release(&self, id: BuildId, version: Version) -> Result<(), Error> {
        let update = "UPDATE builds SET release_version = $2, updated_at = $3 WHERE id = $1";
        let update = sqlx::query(update)
            .bind(id.to_string())
            .bind(i64::from(version.get()))
            .bind(Timestamp::now().as_micros());
        let mut conn = self.db.read().await?;
        match run(&mut conn, update).await? {
            0 => Err(not_found("build", id)),
            _ => Ok(()),
        }
    }

    /// Looks a build up.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn build(&self, id: BuildId) -> Result<Build, Error> {
        let mut conn = self.db.read().await?;
        by_id(&mut conn, id).await
    }

    /// An app's builds, the newest first, `limit` at most.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn builds(&self, app: AppId, limit: u32) -> Result<Vec<Build>, Error> {
        let select = select_build!("WHERE app_id = $1 ORDER BY created_at DESC, id LIMIT $2");
        let select = sqlx::query(select)
            .bind(app.to_string())
            .bind(i64::from(limit));
        let mut conn = self.db.read().await?;
        all(&mut conn, select).await?.iter().map(read).collect()
    }

    /// Keeps a piece of a build's output, which can be read at once.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the build.
    pub async fn append_build_output(&self, id: BuildId, chunk: &str) -> Result<(), Error> {
        transact!(self, |tx| append(&mut tx, id, chunk))
    }

    /// All output of a build so far; empty if there is no such build.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn build_output(&self, id: BuildId) -> Result<String, Error> {
        let select = "SELECT chunk FROM build_output WHERE build_id = $1 ORDER BY position";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select).bind(id.to_string())).await?;
        let chunks = rows
            .iter()
            .map(|row| row.bytes("chunk"))
            .collect::<Result<Vec<_>, _>>()?;
        String::from_utf8(chunks.concat()).map_err(|_| unread("chunk"))
    }

    /// Marks all pending builds as failed: what is pending at start was cut short. Gives how many.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn fail_pending_builds(&self) -> Result<usize, Error> {
        let update = sqlx::query(
            "UPDATE builds SET status = 'failed', updated_at = $1 WHERE status = 'pending'",
        );
        let mut conn = self.db.read().await?;
        let count = run(&mut conn, update.bind(Timestamp::now().as_micros())).await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

async fn create(conn: &mut AnyConnection, new: &NewBuild) -> Result<Build, Error> {
    apps::touch(conn, new.app).await?;
    let id = BuildId::new();
    let insert = "INSERT INTO builds (id, app_id, by_id, commit_id, stack, status, chunks, \
        created_at, updated_at) VALUES ($1, $2, $3, $4, $5, 'pending', 0, $6, $6)";
    let insert = sqlx::query(insert)
        .bind(id.to_string())
        .bind(new.app.to_string())
        .bind(new.by.to_string())
        .bind(new.commit.to_string())
        .bind(new.stack.to_string())
        .bind(Timestamp::now().as_micros());
    run(conn, insert).await?;
    by_id(conn, id).await
}

async fn finish(
    conn: &mut AnyConnection,
    id: BuildId,
    made: Option<SlugId>,
    output: &str,
) -> Result<Build, Error> {
    if !output.is_empty() {
        append(conn, id, output).await?;
    }
    let status = if made.is_some() {
        BuildStatus::Succeeded
    } else {
        BuildStatus::Failed
    };
    let update = "UPDATE builds SET status = $2, slug_id = $3, updated_at = $4 WHERE id = $1";
    let update = sqlx::query(update)
        .bind(id.to_string())
        .bind(status.as_str().to_owned())
        .bind(made.map(|slug| slug.to_string()))
        .bind(Timestamp::now().as_micros());
    run(conn, update).await?;
    by_id(conn, id).await
}

async fn append(conn: &mut AnyConnection, id: BuildId, chunk: &str) -> Result<(), Error> {
    let count = "UPDATE builds SET chunks = chunks + 1 WHERE id = $1 RETURNING chunks";
    let row = one(conn, sqlx::query(count).bind(id.to_string())).await?;
    let position = row.ok_or_else(|| not_found("build", id))?.int("chunks")?;
    let insert = "INSERT INTO build_output (build_id, position, chunk) VALUES ($1, $2, $3)";
    let insert = sqlx::query(insert)
        .bind(id.to_string())
        .bind(position)
        .bind(chunk.as_bytes().to_vec());
    run(conn, insert).await.map(drop)
}

async fn by_id(conn: &mut AnyConnection, id: BuildId) -> Result<Build, Error> {
    let select = sqlx::query(select_build!("WHERE id = $1")).bind(id.to_string());
    read(
        &one(conn, select)
            .await?
            .ok_or_else(|| not_found("build", id))?,
    )
}

fn read(row: &Row) -> Result<Build, Error> {
    let statuses = [
        BuildStatus::Pending,
        BuildStatus::Succeeded,
        BuildStatus::Failed,
    ];
    let status = row.text("status")?;
    let status = statuses.into_iter().find(|s| s.as_str() == status);
    Ok(Build {
        id: row.parse("id")?,
        app: row.parse("app_id")?,
        by: row.parse("by_id")?,
        commit: row.parse("commit_id")?,
        stack: StackName::new(row.text("stack")?),
        status: status.ok_or_else(|| unread("status"))?,
        slug: row.maybe_parse("slug_id")?,
        release: row.maybe_version("release_version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
