//! The stream: app, platform and router lines; history and tail.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use noon_testkit::eventually;

use super::{house, pushed};

#[test]
fn app_platform_and_router_lines_stand_in_one_stream_across_deploys() {
    let house = house().start();
    let repo = pushed(&house, "stream");
    assert_eq!(house.get("stream", "/say/first").body, "said");
    repo.write("word", "two\n").commit("Two");
    let _ = repo.push().ok();
    assert_eq!(house.get("stream", "/say/second").body, "said");
    let all = eventually("all lines are there", || {
        let ran = repo.noon(&["logs", "-n", "500"]).ok();
        ran.stdout.contains("app[web.1]: second").then_some(ran)
    });
    let _ = all
        .says("app[web.1]: first")
        .says("app[web.1]: listening")
        .says("app[web.1]: stopping")
        .says("heroku[web.1]: State changed from starting to up")
        .says("heroku[web.1]: Stopping all processes with SIGTERM")
        .says("path=\"/say/first\"")
        .says("app[api]: Release v3 created by user ada@example.com");
    let router = repo
        .noon(&["logs", "--ps", "router", "-n", "500"])
        .ok()
        .stdout;
    assert!(
        router.lines().all(|line| line.contains("heroku[router]: ")),
        "{router}"
    );
    let app = repo
        .noon(&["logs", "--source", "app", "-n", "500"])
        .ok()
        .stdout;
    assert!(app.lines().all(|line| line.contains(" app[")), "{app}");
    assert_eq!(
        repo.noon(&["logs", "-n", "2"]).ok().stdout.lines().count(),
        2
    );
    house.tear_down();
}

#[test]
fn the_last_words_of_a_short_process_wait_for_the_logs() {
    let house = house().start();
    let repo = pushed(&house, "brief");
    house.stun_role("logs");
    let _ = repo.noon(&["run", "--detached", "echo last words"]).ok();
    eventually("it has ended", || {
        let ran = repo.noon(&["ps"]).ok();
        (!ran.stdout.contains("run.")).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_secs(5));
    house.kill_role("logs");
    eventually("its words are in the log", || {
        let ran = repo.noon(&["logs", "-n", "500"]).ok();
        ran.stdout.contains("]: last words").then_some(())
    });
    house.tear_down();
}

#[test]
fn a_tail_goes_on_through_the_death_of_every_role() {
    let house = house().start();
    let repo = pushed(&house, "tail");
    let mut command = house.command(env!("CARGO_BIN_EXE_noon").as_ref(), &["logs", "--tail"]);
    command
        .current_dir(repo.dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (round, role) in ["logs", "router", "control"].into_iter().enumerate() {
        house.kill_role(role);
        eventually("the app says it", || {
            (house.get("tail", &format!("/say/round-{round}")).body == "said").then_some(())
        });
        let seen = lines.by_ref().map_while(Result::ok);
        let found = seen
            .into_iter()
            .any(|line| line.ends_with(&format!("app[web.1]: round-{round}")));
        assert!(
            found,
            "the tail ended before round {round} was seen, after {role} was killed"
        );
    }
    let _ = child.kill();
    let _ = child.wait();
    house.tear_down();
}
