//! A fresh database for one test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use noon_store::{MasterKey, Store};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use crate::postgres::Server;

pub struct Backend {
    pub url: String,
    pub key: MasterKey,
    place: Place,
}

enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Arc<Server>),
}

impl Backend {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A path may hold anything; that it does here is a promise of its own.
        let url = format!("sqlite://{}/odd name?#%41é.db", dir.path().display());
        let key = MasterKey::generate().unwrap();
        Self {
            url,
            key,
            place: Place::Sqlite(dir),
        }
    }

    pub async fn postgres() -> Option<Self> {
        let server = Server::shared()?;
        let url = server.fresh_database().await;
        let key = MasterKey::generate().unwrap();
        Some(Self {
            url,
            key,
            place: Place::Postgres(server),
        })
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url, &self.key).await.unwrap()
    }

    /// A connection that knows nothing of noon's rules.
    pub async fn raw(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let path = self.url.strip_prefix("sqlite://");
        let url = path.map(|p| {
            let escaped: String = p.bytes().map(|b| format!("%{b:02x}")).collect();
            format!("sqlite:///{}", escaped.strip_prefix("%2f").unwrap())
        });
        AnyConnection::connect(url.as_deref().unwrap_or(&self.url))
            .await
            .unwrap()
    }

    /// Runs raw SQL; the error's text if it is refused.
    pub async fn raw_sql(&self, sql: &str) -> Result<(), String> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = sql.execute(&mut self.raw().await).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    pub async fn raw_rows(&self, sql: &str) -> Vec<AnyRow> {
        let sql = sqlx::query(AssertSqlSafe(sql.to_owned()));
        sql.fetch_all(&mut self.raw().await).await.unwrap()
    }

    /// Takes the ledger's lock off, as whoever owns the database can.
    pub async fn drop_triggers(&self) {
        let mut sql = String::new();
        let tables = ["releases", "release_config", "release_outcomes"];
        let rules: &[_] = match self.is_sqlite() {
            true => &["no_update", "no_delete", "no_replace"],
            false => &["no_update", "no_delete", "no_truncate"],
        };
        for table in tables {
            for rule in rules {
                let on = if self.is_sqlite() {
                    String::new()
                } else {
                    format!(" ON {table}")
                };
                sql.push_str(&format!("DROP TRIGGER {table}_{rule}{on};"));
            }
        }
        self.raw_sql(&sql).await.unwrap();
    }

    /// The names of all tables.
    pub async fn tables(&self) -> Vec<String> {
        let sql = match self.is_sqlite() {
            true => "SELECT name FROM sqlite_master WHERE type = 'table'",
            false => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
        };
        self.raw_rows(sql)
            .await
            .iter()
            .map(|row| row.get("name"))
            .collect()
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.raw_rows(&format!("SELECT count(*) AS n FROM {table}"))
            .await[0]
            .get("n")
    }

    /// All bytes that the database keeps, its logs too.
    pub async fn bytes(&self) -> Vec<u8> {
        let dirs = match &self.place {
            Place::Sqlite(dir) => vec![dir.path().to_owned()],
            Place::Postgres(server) => {
                self.raw_sql("CHECKPOINT").await.unwrap();
                let sql = "SELECT oid::bigint AS oid FROM pg_database \
                    WHERE datname = current_database()";
                let oid: i64 = self.raw_rows(sql).await[0].get("oid");
                let data = server.data();
                vec![data.join("pg_wal"), data.join(format!("base/{oid}"))]
            }
        };
        let mut bytes = Vec::new();
        dirs.iter().for_each(|dir| collect(dir, &mut bytes));
        bytes
    }

    pub fn sqlite_dir(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite(dir) => dir.path().to_owned(),
            Place::Postgres(_) => panic!("not SQLite"),
        }
    }
}

fn collect(dir: &Path, bytes: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, bytes);
        } else if path.is_file() {
            // Other tests' databases come and go on the same server.
            bytes.extend(std::fs::read(path).unwrap_or_default());
        }
    }
}
