//! Acknowledged is kept, whoever is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use noon_store::{MasterKey, Store};

use crate::backend::Backend;
use crate::postgres::Server;
use crate::world::{World, new_app};

const URL: &str = "NOON_STORE_TEST_URL";
const KEY: &str = "NOON_STORE_TEST_KEY";

/// Runs itself again as the child that is killed.
#[tokio::test]
async fn what_was_acknowledged_survives_kill_minus_nine() {
    if let (Ok(url), Ok(key)) = (std::env::var(URL), std::env::var(KEY)) {
        return append_until_killed(&url, &key).await;
    }
    let db = Backend::sqlite();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::what_was_acknowledged_survives_kill_minus_nine",
            "--nocapture",
        ])
        .env(URL, &db.url)
        .env(KEY, db.key.to_hex())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut acknowledged = Vec::new();
    for line in lines {
        let Some(version) = line.strip_prefix("acknowledged ") else {
            continue;
        };
        acknowledged.push(version.parse::<u32>().unwrap());
        // The rest of the pipe is read after the kill: all of that was acknowledged too.
        if acknowledged.len() == 20 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    let store = db.open().await;
    let app = store.app_by_name(&"first".parse().unwrap()).await.unwrap();
    let report = store.verify_chain(app.id).await.unwrap();
    assert!(acknowledged.len() >= 20 && report.entries >= *acknowledged.last().unwrap());
}

async fn append_until_killed(url: &str, key: &str) {
    let store = Store::open(url, &key.parse::<MasterKey>().unwrap())
        .await
        .unwrap();
    let user = store.ensure_owner("owner@example.com").await.unwrap();
    let app = store.create_app(&new_app("first", &user)).await.unwrap();
    let world = World { store, user, app };
    loop {
        let version = world.append(&[("A", "1")]).await.version;
        println!("acknowledged {}", version.get());
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_server_that_is_cut_short() {
    let Some(server) = Server::start() else {
        return;
    };
    let (url, key) = (
        server.fresh_database().await,
        MasterKey::generate().unwrap(),
    );
    let store = Store::open(&url, &key).await.unwrap();
    let user = store.ensure_owner("owner@example.com").await.unwrap();
    let app = store.create_app(&new_app("first", &user)).await.unwrap();
    let world = World { store, user, app };
    for _ in 0..5 {
        world.append(&[("A", "1")]).await;
    }
    server.stop();
    server.start_again();
    let report = world.store.verify_chain(world.app.id).await.unwrap();
    assert_eq!(report.entries, 6);
}
