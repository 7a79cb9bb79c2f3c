//! The connections: which database, how it is opened, and how a transaction is tried again.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Transaction};

use crate::Error;
use crate::error::from_sql;
use crate::row::Row;

/// A statement with its values.
pub(crate) type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// How long a verb waits for a free connection before the database counts as away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection that no one uses is kept.
const IDLE: Duration = Duration::from_secs(60);
/// How often a transaction is tried in all when others are in its way.
const TRIES: u32 = 6;

/// SQLite as we need it: readers beside one writer, acknowledged means on disk, and a page cache
/// small enough for an idle machine.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
    PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -256; \
    PRAGMA journal_size_limit = 4194304;";

/// Which database it is. Only DDL, and how a writer begins, differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// The connections to one database.
#[derive(Clone)]
pub(crate) struct Db {
    pool: AnyPool,
    pub(crate) kind: Kind,
}

impl Db {
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let (kind, options) = address(url)?;
        // The pool would try again and again, and then speak of time instead of what is wrong.
        let mut first = AnyConnection::connect_with(&options)
            .await
            .map_err(from_sql)?;
        prepare(&mut first, kind).await.map_err(from_sql)?;
        first.close().await.map_err(from_sql)?;
        let pool = pool(kind).connect_with(options).await.map_err(from_sql)?;
        Ok(Self { pool, kind })
    }

    /// A connection for one or more statements that need no transaction.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Any>, Error> {
        self.pool.acquire().await.map_err(from_sql)
    }

    /// A transaction that will write. On SQLite it is the one writer from the start, for one that
    /// reads first and writes later cannot be made to wait. A commit that meets a full disk can leave
    /// a connection whose transaction is neither open nor closed in the driver's mind: such a one
    /// is closed and another is taken, or verbs would be refused long after there is room again.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, Error> {
        for _ in 0..self.pool.options().get_max_connections() {
            match self.begin_once().await {
                Err(Error::Refused { source }) => {
                    tracing::warn!(error = %source, "a connection was out of step");
                    self.close_one_out_of_step().await;
                }
                begun => return begun,
            }
        }
        self.begin_once().await
    }

    async fn close_one_out_of_step(&self) {
        let Ok(mut conn) = self.pool.acquire().await else {
            return;
        };
        let sound = match conn.begin_with("BEGIN").await {
            Ok(transaction) => transaction.rollback().await,
            Err(error) => Err(error),
        };
        if sound.is_err() {
            conn.close_on_drop();
        }
    }

    async fn begin_once(&self) -> Result<Transaction<'static, Any>, Error> {
        match self.kind {
            Kind::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await,
            Kind::Postgres => self.pool.begin().await,
        }
        .map_err(from_sql)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

fn pool(kind: Kind) -> AnyPoolOptions {
    let options = AnyPoolOptions::new()
        .acquire_timeout(PATIENCE)
        .idle_timeout(IDLE);
    match kind {
        Kind::Postgres => options.max_connections(6).min_connections(0),
        // One connection stays, so that the write-ahead log is not folded up after each verb.
        Kind::Sqlite => options
            .max_connections(3)
            .min_connections(1)
            .max_lifetime(None)
            .after_connect(|conn, _| Box::pin(prepare(conn, Kind::Sqlite))),
    }
}

async fn prepare(conn: &mut AnyConnection, kind: Kind) -> sqlx::Result<()> {
    match kind {
        Kind::Sqlite => sqlx::raw_sql(PRAGMAS).execute(conn).await.map(drop),
        Kind::Postgres => Ok(()),
    }
}

/// Reads an address. A path, with or without `sqlite:` before it, becomes the URL that the driver
/// wants, and its file is made so that only its owner can read it.
fn address(url: &str) -> Result<(Kind, AnyConnectOptions), Error> {
    let bad = || Error::BadUrl {
        url: without_password(url),
    };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options = AnyConnectOptions::from_str(url).map_err(|_| bad())?;
        return Ok((Kind::Postgres, options.disable_statement_logging()));
    }
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"));
    let path = path.unwrap_or(url);
    if path.is_empty() || path.contains("://") {
        return Err(bad());
    }
    let path = std::path::absolute(path).map_err(|_| bad())?;
    make_private_file(&path)?;
    let url = format!("sqlite://{}", escaped(path.to_str().ok_or_else(bad)?));
    let options = AnyConnectOptions::from_str(&url).map_err(|_| bad())?;
    Ok((Kind::Sqlite, options.disable_statement_logging()))
}

fn make_private_file(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let made = options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(|error| Error::Unavailable {
        source: Box::new(error),
    })
}

/// A path as the path of a URL.
fn escaped(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    let mut out = String::new();
    for byte in path.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        _ => url.to_owned(),
    }
}

/// How often a transaction has been tried.
#[derive(Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Whether to try again after this error. Waits before it says so.
    pub(crate) async fn again(&mut self, error: &Error) -> bool {
        self.0 += 1;
        let again = matches!(error, Error::Busy { .. }) && self.0 < TRIES;
        if again {
            tokio::time::sleep(Duration::from_millis(10 << self.0)).await;
        }
        again
    }
}

/// Runs work that writes in one transaction, and again as a whole if others were in its way.
macro_rules! transact {
    ($store:expr, |$tx:ident| $work:expr) => {{
        let mut tries = $crate::db::Tries::default();
        loop {
            let attempt = async {
                let mut $tx = $store.db.begin().await?;
                let value = $work.await?;
                $tx.commit().await.map_err($crate::error::from_sql)?;
                Ok(value)
            };
            match attempt.await {
                Err(error) if tries.again(&error).await => {}
                done => break done,
            }
        }
    }};
}
pub(crate) use transact;

/// Runs a statement; gives how many rows it touched.
pub(crate) async fn run(conn: &mut AnyConnection, query: Query<'_>) -> Result<u64, Error> {
    let done = query.execute(conn).await.map_err(from_sql)?;
    Ok(done.rows_affected())
}

/// All rows of an answer.
pub(crate) async fn all(conn: &mut AnyConnection, query: Query<'_>) -> Result<Vec<Row>, Error> {
    let rows = query.fetch_all(conn).await.map_err(from_sql)?;
    Ok(rows.into_iter().map(Row).collect())
}

/// The one row of an answer, if there is one.
pub(crate) async fn one(conn: &mut AnyConnection, query: Query<'_>) -> Result<Option<Row>, Error> {
    let row = query.fetch_optional(conn).await.map_err(from_sql)?;
    Ok(row.map(Row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_repeated_in_an_error() {
        let shown = without_password("mysql://me:hunter2@host/db");
        assert_eq!(shown, "mysql://…@host/db");
        assert_eq!(without_password("/var/noon@home.db"), "/var/noon@home.db");
    }

    #[test]
    fn every_path_can_be_the_path_of_a_url() {
        assert_eq!(escaped("/a b/c?d#e%f.db"), "/a%20b/c%3Fd%23e%25f.db");
        assert_eq!(escaped("/ä"), "/%C3%A4");
    }
}
