//! Walking an app's ledger from its first entry to its newest.

use noon_domain::{AppId, Version};
use sqlx::AnyConnection;

use crate::config::{self, Of};
use crate::db::{all, one};
use crate::error::not_found;
use crate::key::Keys;
use crate::ledger::{self, Entry, GENESIS};
use crate::releases;
use crate::row::Row;
use crate::{Break, BrokenChain, Error, Store};

/// A ledger that is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// How many entries were walked: all.
    pub entries: u32,
}

/// The newest entry, as its app knows it.
struct Head {
    version: Version,
    digest: Option<[u8; 32]>,
}

impl Store {
    /// Walks all entries of an app's ledger and takes every hash again, over config values too.
    ///
    /// # Errors
    /// [`Error::BrokenChain`] with the first entry that is not as it was written, and why.
    pub async fn verify_chain(&self, app: AppId) -> Result<ChainReport, Error> {
        let mut conn = self.db.read().await?;
        // The head is read first: what is appended meanwhile lies beyond it.
        let head = head(&mut conn, app).await?;
        let select = "SELECT id, version, slug_id, kind, detail, by_id, created_at, \
            config_digest, previous, hash FROM releases \
            WHERE app_id = $1 AND version <= $2 ORDER BY version";
        let select = sqlx::query(select)
            .bind(app.to_string())
            .bind(i64::from(head.version.get()));
        let mut walk = Walk {
            app,
            keys: &self.keys,
            last: GENESIS,
            next: Version::FIRST,
        };
        for row in all(&mut conn, select).await? {
            walk.step(&mut conn, &row).await?;
        }
        walk.end(&head)
    }
}

async fn head(conn: &mut AnyConnection, app: AppId) -> Result<Head, Error> {
    let select = sqlx::query("SELECT last_version, head FROM apps WHERE id = $1");
    let row = one(conn, select.bind(app.to_string())).await?;
    let row = row.ok_or_else(|| not_found("app", app))?;
    Ok(Head {
        version: row.version("last_version")?,
        digest: row.digest("head").ok(),
    })
}

/// Where the walk stands.
struct Walk<'a> {
    app: AppId,
    keys: &'a Keys,
    /// The hash of the entry before.
    last: [u8; 32],
    /// The version that must come now.
    next: Version,
}

impl Walk<'_> {
    async fn step(&mut self, conn: &mut AnyConnection, row: &Row) -> Result<(), Error> {
        if row.version("version").ok() != Some(self.next) {
            return Err(self.broken(Break::Missing));
        }
        let entry = self.entry(row).ok_or_else(|| self.altered("the entry"))?;
        self.check_entry(&entry, row.digest("hash").ok())?;
        self.check_config(conn, &entry).await?;
        self.last = entry.hash();
        self.next = Version::new(self.next.get() + 1);
        Ok(())
    }

    fn entry(&self, row: &Row) -> Option<Entry> {
        Some(Entry {
            previous: row.digest("previous").ok()?,
            app: self.app,
            version: self.next,
            id: row.parse("id").ok()?,
            slug: row.maybe_parse("slug_id").ok()?,
            reason: releases::reason(row).ok()?,
            by: row.parse("by_id").ok()?,
            created_at: row.time("created_at").ok()?,
            config_digest: row.digest("config_digest").ok()?,
        })
    }

    fn check_entry(&self, entry: &Entry, hash: Option<[u8; 32]>) -> Result<(), Error> {
        if entry.previous != self.last {
            return Err(self.broken(Break::OutOfOrder));
        }
        if Some(entry.hash()) != hash {
            return Err(self.altered("the entry"));
        }
        Ok(())
    }

    async fn check_config(&self, conn: &mut AnyConnection, entry: &Entry) -> Result<(), Error> {
        let of = Of {
            app: self.app,
            version: entry.version,
            id: entry.id,
        };
        let config = config::read(conn, self.keys, of).await;
        let config = config.map_err(|error| match error {
            Error::Corrupt { .. } => self.altered("its config"),
            other => other,
        })?;
        if ledger::config_digest(self.keys, entry.id, &config) != entry.config_digest {
            return Err(self.altered("its config"));
        }
        Ok(())
    }

    fn end(self, head: &Head) -> Result<ChainReport, Error> {
        let entries = self.next.get() - 1;
        if entries < head.version.get() {
            return Err(self.broken(Break::Missing));
        }
        let digest = ledger::head(self.keys, self.app, head.version, &self.last);
        if Some(digest) != head.digest {
            let (what, version) = ("the app's seal on it".to_owned(), head.version);
            let why = Break::Altered { what };
            return Err(BrokenChain {
                app: self.app,
                version,
                why,
            }
            .into());
        }
        Ok(ChainReport { entries })
    }

    fn altered(&self, what: &str) -> Error {
        let what = what.to_owned();
        self.broken(Break::Altered { what })
    }

    fn broken(&self, why: Break) -> Error {
        BrokenChain {
            app: self.app,
            version: self.next,
            why,
        }
        .into()
    }
}
