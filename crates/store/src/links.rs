//! Links between apps.

use noon_domain::{AppId, Link, Timestamp};
use sqlx::AnyConnection;

use crate::db::{Query, all, run, transact};
use crate::error::{is_taken, not_found};
use crate::row::Row;
use crate::{Error, Store, apps};

impl Store {
    /// Links an app to another.
    ///
    /// # Errors
    /// [`Error::Taken`] if it is already, [`Error::NotFound`] without either app.
    pub async fn add_link(&self, from: AppId, to: AppId) -> Result<Link, Error> {
        let link = Link {
            from,
            to,
            created_at: Timestamp::now(),
        };
        transact!(self, |tx| add(&mut tx, link))?;
        Ok(link)
    }

    /// Links an app to another no more.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not.
    pub async fn remove_link(&self, from: AppId, to: AppId) -> Result<(), Error> {
        transact!(self, |tx| remove(&mut tx, from, to))
    }

    /// The links of an app to others, the oldest first.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn links_from(&self, app: AppId) -> Result<Vec<Link>, Error> {
        let select = "SELECT from_id, to_id, created_at FROM links WHERE from_id = $1 \
            ORDER BY created_at, to_id";
        self.links(sqlx::query(select).bind(app.to_string())).await
    }

    /// The links of others to an app, the oldest first.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn links_to(&self, app: AppId) -> Result<Vec<Link>, Error> {
        let select = "SELECT from_id, to_id, created_at FROM links WHERE to_id = $1 \
            ORDER BY created_at, from_id";
        self.links(sqlx::query(select).bind(app.to_string())).await
    }

    async fn links(&self, select: Query<'_>) -> Result<Vec<Link>, Error> {
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, select).await?;
        rows.iter().map(read).collect()
    }
}

async fn add(conn: &mut AnyConnection, link: Link) -> Result<(), Error> {
    // In one order, so that two links in opposite directions do not wait for each other.
    let (first, second) = (link.from.min(link.to), link.from.max(link.to));
    apps::touch(conn, first).await?;
    apps::touch(conn, second).await?;
    let insert = "INSERT INTO links (from_id, to_id, created_at) VALUES ($1, $2, $3)";
    let insert = sqlx::query(insert)
        .bind(link.from.to_string())
        .bind(link.to.to_string())
        .bind(link.created_at.as_micros());
    match run(conn, insert).await {
        Err(error) if is_taken(&error) => Err(Error::Taken {
            what: "link",
            name: format!("to {}", link.to),
        }),
        done => done.map(drop),
    }
}

async fn remove(conn: &mut AnyConnection, from: AppId, to: AppId) -> Result<(), Error> {
    apps::touch(conn, from).await?;
    let delete = sqlx::query("DELETE FROM links WHERE from_id = $1 AND to_id = $2")
        .bind(from.to_string())
        .bind(to.to_string());
    match run(conn, delete).await? {
        0 => Err(not_found("link", format!("to {to}"))),
        _ => Ok(()),
    }
}

fn read(row: &Row) -> Result<Link, Error> {
    Ok(Link {
        from: row.parse("from_id")?,
        to: row.parse("to_id")?,
        created_at: row.time("created_at")?,
    })
}
