//! Whole journeys: a real server, the real git, and `noon` as a user types it.

mod apps;
mod attacks;
mod config;
mod deploys;
mod doctor;
mod exec;
mod laws;
mod links;
mod load;
mod logs;
mod memory;
mod network;
mod one_offs;
mod postgres;
mod processes;
mod refusals;
mod rootless;
mod servers;
mod sizes;

use noon_testkit::{House, HouseBuilder, Repo, TestUser, eventually};

/// A web process of a few lines that answers with what the tests ask of it.
const SERVER: &str = include_str!("server.py");

/// A house for the noon of this build. With `NOON_TEST_USER` all of it is that user's.
fn house() -> HouseBuilder {
    let house = House::of(env!("CARGO_BIN_EXE_noon"));
    match std::env::var("NOON_TEST_USER") {
        Ok(name) => house.user(TestUser::existing(&name).expect("the user of NOON_TEST_USER")),
        Err(_) => house,
    }
}

/// An app of one web process, pushed and answering.
fn pushed<'h>(house: &'h House, name: &str) -> Repo<'h> {
    let repo = written(house, name);
    let _ = repo.push().ok().says("Released v2");
    assert_eq!(house.get(name, "/").body, "one\n");
    repo
}

/// The same, committed but not pushed.
fn written<'h>(house: &'h House, name: &str) -> Repo<'h> {
    let repo = house.repo(name);
    let _ = repo.noon(&["create", name]).ok();
    repo.write("Procfile", "web: ./server\nworker: ./work\n")
        .write("server", SERVER)
        .write(
            "work",
            "#!/bin/sh\nwhile :; do echo beat; sleep 0.2; done\n",
        )
        .write("word", "one\n")
        .commit("One");
    repo
}

/// Waits until an app answers so.
fn answers(house: &House, app: &str, body: &str) {
    eventually(&format!("{app} answers {body:?}"), || {
        (house.get(app, "/").body == body).then_some(())
    });
}
