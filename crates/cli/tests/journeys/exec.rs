//! Into a running process and out again.

use std::io::Write;
use std::process::Stdio;

use noon_testkit::eventually;

use super::{house, pushed};

#[test]
fn a_command_runs_inside_the_process_with_its_files_and_environment() {
    let house = house().start();
    let repo = pushed(&house, "visited");
    let _ = repo.noon(&["config", "set", "COLOUR=red"]).ok();
    assert_eq!(house.get("visited", "/write/left-here").body, "left-here");
    let look = "cat written; echo; echo $COLOUR $DYNO $PORT $PWD; echo oops >&2; exit 42";
    let ran = repo.noon(&["ps", "exec", "web.1", "--", look]).fails(42);
    let mine = house.get("visited", "/env/PORT").body;
    assert_eq!(ran.stdout, format!("left-here\nred web.1 {mine} /app\n"));
    assert!(ran.stderr.contains("oops"), "{ran}");

    // It is the very same place: what is written there, the process finds.
    let _ = repo
        .noon(&["ps:exec", "--dyno", "web.1", "--", "printf two > /app/word"])
        .ok();
    assert_eq!(house.get("visited", "/").body, "two");
    let _ = repo.noon(&["ps:exec", "--", "kill", "-9", "$$"]);
    assert_eq!(house.get("visited", "/").body, "two", "the process runs on");

    let log = repo.noon(&["logs", "-n", "200"]).ok();
    let log = log.says("Command inside web.1 by user ada@");
    assert!(
        !log.stdout.contains("printf") && !log.stdout.contains("oops"),
        "{log}"
    );
    house.tear_down();
}

#[test]
fn a_shell_reads_what_is_piped_into_it() {
    let house = house().start();
    let repo = pushed(&house, "shell");
    let noon = env!("CARGO_BIN_EXE_noon");
    let mut command = house.command(noon.as_ref(), &["ps", "exec"]);
    command
        .current_dir(repo.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let script = b"cd /\npwd; cat app/word; exit 7\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "/\none\n");
    assert_eq!(output.status.code(), Some(7));
    // `script` gives its command a terminal of its own.
    let inside = "test -t 0 && stty size; exit 6";
    let command = format!("stty rows 33 cols 99; {noon} ps exec -- '{inside}'; echo code $?");
    let ran = repo
        .run("script", &["--quiet", "--command", &command, "/dev/null"])
        .ok();
    let _ = ran.says("33 99").says("code 6");
    house.tear_down();
}

#[test]
fn whoever_leaves_takes_the_command_along_and_the_process_stays() {
    let house = house().start();
    let repo = pushed(&house, "leaves");
    let noon = env!("CARGO_BIN_EXE_noon");
    let begun = "echo here > /app/begun; exec sleep 1234";
    let mut command = house.command(noon.as_ref(), &["ps", "exec", "--", begun]);
    command.current_dir(repo.dir()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let count =
        "cat /app/begun && cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 123[4]'";
    let sleeps = || {
        let ran = repo.noon(&["ps", "exec", "--", count]);
        ran.stdout.lines().last().unwrap_or_default().to_owned()
    };
    eventually("it runs inside", || (sleeps() == "1").then_some(()));
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    eventually("it is gone", || (sleeps() == "0").then_some(()));
    assert_eq!(house.get("leaves", "/").body, "one\n");
    house.tear_down();
}

#[test]
fn what_does_not_run_lets_nobody_in() {
    let house = house().start();
    let repo = pushed(&house, "closed");
    let _ = repo
        .noon(&["ps", "exec", "web.9", "--", "true"])
        .fails(4)
        .says("web.9");
    let _ = repo
        .noon(&["ps", "exec", "nonsense", "--", "true"])
        .fails(1)
        .says("web.1");
    repo.write("Procfile", "web: ./server\nbroken: sleep 2; exit 1\n")
        .commit("Broken");
    let _ = repo.push().ok();
    let _ = repo.noon(&["ps", "scale", "--no-wait", "broken=1"]).ok();
    eventually("it is crashed, and lets nobody in", || {
        let ran = repo.noon(&["ps", "exec", "broken.1", "--", "true"]);
        let refused = ran.code == 1 && ran.stderr.contains("broken.1 is crashed");
        refused.then_some(())
    });
    house.tear_down();
}
