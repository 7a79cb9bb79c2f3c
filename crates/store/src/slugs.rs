//! Slugs: what builds made. Content names them, so two apps may hold the same one.

use noon_domain::{AppId, Layer, LayerKind, ProcessType, ProcessTypes, Slug, SlugId, StackName};
use sqlx::AnyConnection;

use crate::db::{all, one, run, transact};
use crate::error::not_found;
use crate::row::{Row, unread};
use crate::{Error, Store, apps, checks};

impl Store {
    /// Remembers a slug for an app; once more is no harm, and brings back one that was gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app.
    pub async fn put_slug(&self, app: AppId, slug: &Slug) -> Result<(), Error> {
        transact!(self, |tx| put(&mut tx, app, slug))
    }

    /// Looks a slug up, gone or not.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn slug(&self, id: SlugId) -> Result<Slug, Error> {
        let mut conn = self.db.read().await?;
        by_id(&mut conn, id).await
    }

    /// An app's slugs whose files are kept, the newest first.
    ///
    /// # Errors
    /// As any verb: [`Error::Unavailable`], [`Error::Busy`].
    pub async fn slugs_of(&self, app: AppId) -> Result<Vec<Slug>, Error> {
        let select = "SELECT s.id FROM app_slugs a JOIN slugs s ON s.id = a.slug_id \
            WHERE a.app_id = $1 AND s.gone = 0 ORDER BY s.created_at DESC, s.id";
        let mut conn = self.db.read().await?;
        let rows = all(&mut conn, sqlx::query(select).bind(app.to_string())).await?;
        let mut slugs = Vec::with_capacity(rows.len());
        for row in rows {
            slugs.push(by_id(&mut conn, row.parse("id")?).await?);
        }
        Ok(slugs)
    }

    /// Notes that a slug's files were collected: no rollback can take it up.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn mark_slug_gone(&self, id: SlugId) -> Result<(), Error> {
        let update = sqlx::query("UPDATE slugs SET gone = 1 WHERE id = $1").bind(id.to_string());
        let mut conn = self.db.read().await?;
        match run(&mut conn, update).await? {
            0 => Err(not_found("slug", id)),
            _ => Ok(()),
        }
    }
}

async fn put(conn: &mut AnyConnection, app: AppId, slug: &Slug) -> Result<(), Error> {
    apps::touch(conn, app).await?;
    let upsert = "INSERT INTO slugs (id, stack, commit_id, builder, gone, created_at) \
        VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT (id) DO UPDATE SET gone = 0";
    let upsert = sqlx::query(upsert)
        .bind(slug.id.to_string())
        .bind(slug.stack.to_string())
        .bind(slug.commit.to_string())
        .bind(slug.builder.clone())
        .bind(slug.created_at.as_micros());
    run(conn, upsert).await?;
    put_layers(conn, slug).await?;
    put_types(conn, slug).await?;
    checks::put(conn, slug).await?;
    hold(conn, app, slug.id).await
}

async fn put_layers(conn: &mut AnyConnection, slug: &Slug) -> Result<(), Error> {
    let insert = "INSERT INTO slug_layers (slug_id, position, layer_id, kind, bytes) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    for (position, layer) in (0_i64..).zip(&slug.layers) {
        let insert = sqlx::query(insert)
            .bind(slug.id.to_string())
            .bind(position)
            .bind(layer.id.to_string())
            .bind(layer.kind.as_str().to_owned())
            .bind(i64::try_from(layer.bytes).unwrap_or(i64::MAX));
        run(conn, insert).await?;
    }
    Ok(())
}

async fn put_types(conn: &mut AnyConnection, slug: &Slug) -> Result<(), Error> {
    let insert = "INSERT INTO slug_types (slug_id, position, type, command) \
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    for (position, (kind, command)) in (0_i64..).zip(slug.process_types.iter()) {
        let insert = sqlx::query(insert)
            .bind(slug.id.to_string())
            .bind(position)
            .bind(kind.to_string())
            .bind(command.to_owned());
        run(conn, insert).await?;
    }
    Ok(())
}

/// Notes that an app holds a slug, so that the slug outlives every other app that does.
pub(crate) async fn hold(conn: &mut AnyConnection, app: AppId, id: SlugId) -> Result<(), Error> {
    let insert = "INSERT INTO app_slugs (app_id, slug_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let insert = sqlx::query(insert)
        .bind(app.to_string())
        .bind(id.to_string());
    run(conn, insert).await.map(drop)
}

/// Whether a slug's files are kept, as far as we know.
pub(crate) async fn is_kept(conn: &mut AnyConnection, id: SlugId) -> Result<bool, Error> {
    let select = sqlx::query("SELECT gone FROM slugs WHERE id = $1").bind(id.to_string());
    let row = one(conn, select)
        .await?
        .ok_or_else(|| not_found("slug", id))?;
    Ok(row.int("gone")? == 0)
}

async fn by_id(conn: &mut AnyConnection, id: SlugId) -> Result<Slug, Error> {
    let select = "SELECT id, stack, commit_id, builder, created_at FROM slugs WHERE id = $1";
    let select = sqlx::query(select).bind(id.to_string());
    let row = one(conn, select)
        .await?
        .ok_or_else(|| not_found("slug", id))?;
    Ok(Slug {
        id: row.parse("id")?,
        stack: StackName::new(row.text("stack")?),
        layers: layers(conn, id).await?,
        process_types: process_types(conn, id).await?,
        health: checks::of(conn, id).await?,
        commit: row.parse("commit_id")?,
        builder: row.text("builder")?,
        created_at: row.time("created_at")?,
    })
}

async fn layers(conn: &mut AnyConnection, id: SlugId) -> Result<Vec<Layer>, Error> {
    let select =
        "SELECT layer_id, kind, bytes FROM slug_layers WHERE slug_id = $1 ORDER BY position";
    let rows = all(conn, sqlx::query(select).bind(id.to_string())).await?;
    rows.iter().map(layer).collect()
}

fn layer(row: &Row) -> Result<Layer, Error> {
    let kinds = [
        LayerKind::Source,
        LayerKind::Dependencies,
        LayerKind::Output,
    ];
    let kind = row.text("kind")?;
    Ok(Layer {
        id: row.parse("layer_id")?,
        kind: kinds
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(|| unread("kind"))?,
        bytes: row.number("bytes")?,
    })
}

async fn process_types(conn: &mut AnyConnection, id: SlugId) -> Result<ProcessTypes, Error> {
    let select = "SELECT type, command FROM slug_types WHERE slug_id = $1 ORDER BY position";
    let rows = all(conn, sqlx::query(select).bind(id.to_string())).await?;
    let pair = |row: &Row| Ok((row.parse::<ProcessType>("type")?, row.text("command")?));
    rows.iter()
        .map(pair)
        .collect::<Result<Vec<_>, Error>>()
        .map(ProcessTypes::from_pairs)
}
