//! What can go wrong when remembering.

use noon_domain::{AppId, ReleaseStatus, Version};

/// What went wrong, and where there is a way out, the way.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away.
    #[error("the database is not available: see that it runs and can be written, then try again")]
    Unavailable {
        /// What the connection said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The disk of the database is full.
    #[error("the disk of the database is full: make room, then try again")]
    DiskFull {
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Others held what this needed, through all tries.
    #[error("the database stayed busy: try again")]
    Busy {
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused a statement: a defect of noon, or a database changed by other hands.
    #[error("the database refused a statement of noon: see the log for its words")]
    Refused {
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No database has this address.
    #[error("{url:?} is no database: give a path, sqlite:///path or postgres://user@host/name")]
    BadUrl {
        /// What was given, without password.
        url: String,
    },
    /// A newer noon wrote it.
    #[error("the database has schema {found} and this noon knows {known}: run a newer noon")]
    TooNew {
        /// The database's.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// Sealed under another key.
    #[error("the master key does not open this database: give the key that it was made with")]
    WrongKey,
    /// There is none.
    #[error("there is no {what} {name}")]
    NotFound {
        /// The noun.
        what: &'static str,
        /// Its name, as asked for.
        name: String,
    },
    /// The name has an owner.
    #[error("the {what} {name} is taken: choose another")]
    Taken {
        /// The noun.
        what: &'static str,
        /// Its name, as asked for.
        name: String,
    },
    /// An outcome is given once.
    #[error("{version} has {} already and cannot change that: make a new release", .status.as_str())]
    Settled {
        /// The release.
        version: Version,
        /// How it came out.
        status: ReleaseStatus,
    },
    /// The ledger was tampered with or damaged.
    #[error(transparent)]
    BrokenChain(#[from] BrokenChain),
    /// A row holds what noon never wrote.
    #[error("the database holds {what}, which noon never wrote: restore it from a backup")]
    Corrupt {
        /// What, in which column.
        what: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes for sealing: see that /dev/urandom can be read")]
    NoRandomness,
}

/// Where an app's ledger stops being what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger of app {app} is broken at {version}: {why}; restore it from a backup")]
pub struct BrokenChain {
    /// Whose.
    pub app: AppId,
    /// The first entry that is not as it was written.
    pub version: Version,
    /// What is wrong with it.
    pub why: Break,
}

/// What is wrong with a ledger's entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// Something in it was changed.
    #[error("{what} was altered")]
    Altered {
        /// What, as in `the entry` or `the value of DATABASE_URL`.
        what: String,
    },
    /// It is not there.
    #[error("the entry is missing")]
    Missing,
    /// It does not follow the entry before it.
    #[error("the entry does not follow the one before it")]
    OutOfOrder,
}

/// What an error of the database means to us.
pub(crate) fn from_sql(error: sqlx::Error) -> Error {
    use sqlx::Error as Sql;
    let code = match &error {
        Sql::Database(refused) => refused.code().map(|code| code.into_owned()),
        _ => None,
    };
    let away = matches!(
        error,
        Sql::Io(_) | Sql::Tls(_) | Sql::PoolTimedOut | Sql::PoolClosed | Sql::WorkerCrashed
    );
    let source = Box::new(error);
    match code.as_deref() {
        Some(code) if is_busy(code) => Error::Busy { source },
        Some(code) if is_full(code) => Error::DiskFull { source },
        Some(code) if is_away(code) => Error::Unavailable { source },
        Some(code) if is_damaged(code) => Error::Corrupt {
            what: "bytes of another make".into(),
        },
        _ if away => Error::Unavailable { source },
        _ => Error::Refused { source },
    }
}

/// PostgreSQL: serialization failure, deadlock, lock not available. SQLite: BUSY and LOCKED, with
/// their extensions in the higher bits.
fn is_busy(code: &str) -> bool {
    matches!(code, "40001" | "40P01" | "55P03") || matches!(sqlite_code(code), Some(5 | 6))
}

/// PostgreSQL: disk full. SQLite: FULL.
fn is_full(code: &str) -> bool {
    code == "53100" || sqlite_code(code) == Some(13)
}

/// PostgreSQL: classes of connection, resources, operator and system. SQLite: PERM, READONLY,
/// IOERR and CANTOPEN.
fn is_away(code: &str) -> bool {
    let postgres = code.len() == 5 && ["08", "28", "3D", "53", "57", "58"].contains(&&code[..2]);
    postgres || matches!(sqlite_code(code), Some(3 | 8 | 10 | 14))
}

/// PostgreSQL: data corrupted. SQLite: CORRUPT and NOTADB.
fn is_damaged(code: &str) -> bool {
    matches!(code, "XX001" | "XX002") || matches!(sqlite_code(code), Some(11 | 26))
}

fn sqlite_code(code: &str) -> Option<u32> {
    let code = (code.len() < 5).then(|| code.parse::<u32>().ok())??;
    Some(code & 0xff)
}

/// Whether an insert met a row that has the same name.
pub(crate) fn is_taken(error: &Error) -> bool {
    let Error::Refused { source } = error else {
        return false;
    };
    let sql = source.downcast_ref::<sqlx::Error>();
    sql.and_then(sqlx::Error::as_database_error)
        .is_some_and(|e| e.is_unique_violation())
}

/// Names what was asked for and is not there.
pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Error {
    let name = name.to_string();
    Error::NotFound { what, name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_mean_busy_or_away() {
        for busy in ["5", "6", "261", "517", "40001", "40P01"] {
            assert!(is_busy(busy) && !is_away(busy), "{busy}");
        }
        for away in ["10", "14", "266", "57P01", "08006", "53300", "3D000"] {
            assert!(is_away(away) && !is_busy(away), "{away}");
        }
        for full in ["13", "53100"] {
            assert!(is_full(full) && !is_busy(full), "{full}");
        }
        for neither in ["1", "19", "2067", "23505", "P0001", ""] {
            assert!(!is_away(neither) && !is_busy(neither), "{neither}");
        }
    }
}
