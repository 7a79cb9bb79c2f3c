//! Apps that grow: past their quota, and past twice of it.

use noon_testkit::{Repo, eventually};

use super::{answers, house, pushed};

fn log_says(repo: &Repo<'_>, all: &[&str]) {
    eventually(&format!("the log says {all:?}"), || {
        let log = repo.noon(&["logs", "-n", "200"]).ok().stdout;
        all.iter().all(|part| log.contains(part)).then_some(())
    });
}

fn pid(house: &noon_testkit::House, app: &str) -> String {
    house.get(app, "/boot").body
}

#[test]
fn an_app_past_its_quota_goes_on_with_r14_and_past_twice_of_it_crashes_with_r15() {
    let house = house().start();
    let repo = pushed(&house, "grows");
    let _neighbour = pushed(&house, "stays");
    let (neighbour, before) = (pid(&house, "stays"), pid(&house, "grows"));
    assert_eq!(house.get("grows", "/grow/540").body, "grown");
    log_says(
        &repo,
        &[
            "heroku[web.1]: Process running mem=5",
            "heroku[web.1]: Error R14 (Memory quota exceeded)",
        ],
    );
    assert_eq!(pid(&house, "grows"), before, "it goes on");
    let log = repo.noon(&["logs", "-n", "200"]).ok().stdout;
    assert!(!log.contains("Error R15"), "{log}");

    let _ = house.get("grows", "/grow/540");
    log_says(
        &repo,
        &[
            "heroku[web.1]: Process running mem=1024M(200.0%)",
            "heroku[web.1]: Error R15 (Memory quota vastly exceeded)",
            "heroku[web.1]: Process exited with status 137",
            "heroku[web.1]: State changed from up to crashed",
        ],
    );
    answers(&house, "grows", "one\n");
    assert_ne!(pid(&house, "grows"), before, "it was started anew");
    assert_eq!(
        pid(&house, "stays"),
        neighbour,
        "the neighbour never noticed"
    );
    house.tear_down();
}
