//! One set of promises, kept on SQLite and on PostgreSQL.
//!
//! Each promise gets a fresh database. PostgreSQL is a real server that these tests start and
//! stop; where it is not installed they say so and pass, unless `NOON_TEST_REQUIRE_POSTGRES` is set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backend;
mod postgres;
mod world;

mod apps;
mod away;
mod builds;
mod config;
mod crash;
mod ledger;
mod people;
mod releases;
mod tampering;
mod timings;

/// Makes of each promise one test on each database.
#[macro_export]
macro_rules! promises {
    ($($(#[$doc:meta])* async fn $name:ident($db:ident: $kind:ty) $body:block)*) => {
        $($(#[$doc])* async fn $name($db: $kind) $body)*

        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::backend::Backend::sqlite()).await;
            })*
        }

        mod on_postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(db) = $crate::backend::Backend::postgres().await {
                    super::$name(&db).await;
                }
            })*
        }
    };
}
