//! The same journeys as an ordinary user.

use noon_testkit::TestUser;

use super::{answers, house, pushed};

#[test]
fn an_ordinary_user_pushes_scales_configures_and_rolls_back() {
    let Some(user) = TestUser::make("noontest") else {
        return;
    };
    let house = house().user(user).start();
    let repo = pushed(&house, "ordinary");
    let _ = repo.noon(&["ps", "scale", "web=2", "worker=1"]).ok();
    let _ = repo.noon(&["config", "set", "A=1"]).ok();
    assert_eq!(house.get("ordinary", "/env/A").body, "1");
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    assert_eq!(house.get("ordinary", "/").body, "two\n");
    let _ = repo.noon(&["rollback", "v2"]).ok();
    assert_eq!(house.get("ordinary", "/").body, "one\n");
    let _ = repo.noon(&["run", "exit 5"]).fails(5);
    let seen = repo.noon(&[
        "run",
        "ls /root /home 2>&1; id -u; ls /proc | grep -c '^[0-9]'",
    ]);
    assert!(!seen.stdout.contains(".ssh"), "{seen}");
    assert!(
        house
            .get("ordinary", &format!("/reach/127.0.0.1/{}", house.api))
            .body
            .starts_with("refused")
    );
    for role in ["control", "logs", "router"] {
        house.kill_role(role);
        answers(&house, "ordinary", "one\n");
    }
    let _ = repo
        .noon(&["logs", "-n", "500"])
        .ok()
        .says("app[web.1]: listening");
    house.tear_down();
}
