//! Factors III and V: the platform's memory. Config, releases and all else that outlives a crash.
//!
//! A [`Store`] is one database, SQLite or PostgreSQL, spoken to in one SQL text. Each verb is one
//! transaction; what a verb has answered for is kept, through a power cut on SQLite too
//! (`synchronous=FULL`). Writers take their app's row by updating it, so that versions come from a
//! counter and never from `MAX()+1`.
//!
//! Invariants:
//! - The **ledger** is append-only: triggers refuse UPDATE and DELETE on releases, their config
//!   and their outcomes, except while their app is being destroyed. Each entry carries the hash of
//!   the one before; the newest is bound to its app by a digest under the master key, so that no
//!   one without that key can write a different past. [`Store::verify_chain`] walks all of it.
//! - A version is given once. An outcome is given once; failed is never current; current is the
//!   newest that succeeded.
//! - Config values leave this crate only as `Secret` and enter the database only sealed
//!   (XChaCha20-Poly1305), each bound to its app, version and name. Tokens are kept as SHA-256.
//!
//! Deliberately absent: caching (a row is read when asked for), an ORM, a `Store` trait (there is
//! one SQL text, so there is one store), SQL types in the public API, any rule of the domain, and
//! a record of destroyed apps: a destroyed app leaves no row.

mod apps;
mod builds;
mod checks;
mod config;
mod db;
mod destroy;
mod domains;
mod error;
mod formation;
mod key;
mod ledger;
mod links;
mod outcomes;
mod releases;
mod row;
mod schema;
mod seal;
mod slugs;
mod timings;
mod users;
mod verify;

pub use apps::NewApp;
pub use builds::NewBuild;
pub use error::{Break, BrokenChain, Error};
pub use key::{MasterKey, MasterKeyError};
pub use outcomes::PhaseOutput;
pub use releases::NewRelease;
pub use users::NewToken;
pub use verify::ChainReport;

/// The platform's memory. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Store {
    db: db::Db,
    keys: std::sync::Arc<key::Keys>,
}

impl Store {
    /// Opens a database, making or updating its tables.
    ///
    /// `url` is `postgres://…`, `sqlite:///absolute/path` or a path, whose file is made if missing.
    ///
    /// # Errors
    /// [`Error::WrongKey`] if it was sealed under another key, [`Error::Unavailable`] if it cannot
    /// be reached, [`Error::TooNew`] if a newer noon has written it.
    pub async fn open(url: &str, key: &MasterKey) -> Result<Self, Error> {
        let db = db::Db::connect(url).await?;
        let keys = key::Keys::derive(key);
        schema::migrate(&db).await?;
        schema::check_key(&db, &keys).await?;
        let keys = std::sync::Arc::new(keys);
        Ok(Self { db, keys })
    }

    /// Asks the database whether it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        let mut conn = self.db.read().await?;
        db::run(&mut conn, sqlx::query("SELECT 1")).await.map(drop)
    }

    /// Closes all connections; what was acknowledged is kept with or without this.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
