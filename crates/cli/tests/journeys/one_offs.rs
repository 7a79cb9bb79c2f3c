//! One-offs: attached, piped, detached.

use std::io::Write;
use std::process::Stdio;

use noon_testkit::eventually;

use super::{house, pushed};

#[test]
fn a_one_off_has_the_releases_code_and_config_and_hands_on_its_exit_code() {
    let house = house().start();
    let repo = pushed(&house, "once");
    let _ = repo.noon(&["config", "set", "COLOUR=red"]).ok();
    let ran = repo.noon(&[
        "run",
        "cat word; echo $COLOUR $HOME $PWD; echo oops >&2; exit 42",
    ]);
    let ran = ran.fails(42);
    assert_eq!(ran.stdout, "one\nred /app /app\n");
    assert!(ran.stderr.contains("oops"), "{ran}");
    let _ = repo.noon(&["run", "kill -9 $$"]).fails(137);
    let _ = repo
        .noon(&["logs", "-n", "50"])
        .ok()
        .says("Process exited with status 42");
    house.tear_down();
}

#[test]
fn a_one_off_reads_what_is_piped_into_it() {
    let house = house().start();
    let repo = pushed(&house, "piped");
    let mut command = house.command(env!("CARGO_BIN_EXE_noon").as_ref(), &["run", "wc -c"]);
    command
        .current_dir(repo.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&vec![b'x'; 300_000])
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "300000");
    house.tear_down();
}

#[test]
fn a_detached_one_off_runs_on_and_is_listed_logged_and_stopped() {
    let house = house().start();
    let repo = pushed(&house, "detached");
    let ran = repo
        .noon(&["run", "--detached", "echo begun; sleep 600"])
        .ok();
    let name = ran
        .stdout
        .split_whitespace()
        .find(|w| w.starts_with("run."))
        .unwrap()
        .to_owned();
    let _ = repo.noon(&["ps"]).ok().says(&name);
    eventually("its output is in the log", || {
        repo.noon(&["logs", "--ps", &name])
            .ok()
            .stdout
            .contains("begun")
            .then_some(())
    });
    let _ = repo.noon(&["ps", "stop", &name]).ok();
    eventually("it is gone", || {
        (!repo.noon(&["ps"]).ok().stdout.contains(&name)).then_some(())
    });
    house.tear_down();
}

#[test]
fn a_one_off_has_a_terminal_where_its_user_has_one() {
    let house = house().start();
    let repo = pushed(&house, "terminal");
    let noon = env!("CARGO_BIN_EXE_noon");
    let command = format!(
        "stty rows 33 cols 99; {noon} run 'test -t 0 && echo a terminal; stty size; exit 6'; echo code $?"
    );
    // `script` gives its command a terminal of its own.
    let ran = repo
        .run("script", &["--quiet", "--command", &command, "/dev/null"])
        .ok();
    let _ = ran.says("a terminal").says("33 99").says("code 6");
    house.tear_down();
}
