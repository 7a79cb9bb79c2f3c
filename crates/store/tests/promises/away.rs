//! A database that is away is an error with a sentence, never a panic.

use std::os::unix::fs::PermissionsExt;

use noon_store::{Error, MasterKey, Store};

use crate::backend::Backend;
use crate::postgres::Server;
use crate::world::new_app;

async fn refusal(url: &str) -> Error {
    Store::open(url, &MasterKey::generate().unwrap())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_path_that_cannot_be_made_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let missing = format!("{}/no/such/dir.db", dir.path().display());
    assert!(matches!(refusal(&missing).await, Error::Unavailable { .. }));
    let is_dir = dir.path().to_str().unwrap();
    assert!(matches!(refusal(is_dir).await, Error::Unavailable { .. }));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text");
    std::fs::write(
        &path,
        "not a database, but long enough to be taken for one ".repeat(99),
    )
    .unwrap();
    assert!(matches!(
        refusal(path.to_str().unwrap()).await,
        Error::Corrupt { .. }
    ));
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused_without_its_password() {
    for url in ["", "mysql://me:hunter2@host/db"] {
        let error = refusal(url).await;
        assert!(matches!(error, Error::BadUrl { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}

#[tokio::test]
async fn only_its_owner_can_read_the_database_file() {
    let db = Backend::sqlite();
    let store = db.open().await;
    store.ensure_owner("owner@example.com").await.unwrap();
    for file in std::fs::read_dir(db.sqlite_dir()).unwrap().flatten() {
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn verbs_after_closing_are_unavailable() {
    let store = Backend::sqlite().open().await;
    store.ping().await.unwrap();
    store.close().await;
    assert!(matches!(store.ping().await, Err(Error::Unavailable { .. })));
    assert!(matches!(store.apps().await, Err(Error::Unavailable { .. })));
}

#[tokio::test]
async fn a_server_that_dies_is_unavailable_and_its_return_is_noticed() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.fresh_database().await;
    let key = MasterKey::generate().unwrap();
    let store = Store::open(&url, &key).await.unwrap();
    let user = store.ensure_owner("owner@example.com").await.unwrap();
    server.stop();
    let calls = [
        store.ping().await,
        store.apps().await.map(drop),
        store.create_app(&new_app("first", &user)).await.map(drop),
        Store::open(&url, &key).await.map(drop),
    ];
    for call in calls {
        assert!(matches!(call, Err(Error::Unavailable { .. })), "{call:?}");
    }
    server.start_again();
    store.ping().await.unwrap();
    store.create_app(&new_app("first", &user)).await.unwrap();
}
