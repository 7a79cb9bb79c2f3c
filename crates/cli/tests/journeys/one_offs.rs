//! One-offs: attached, piped, detached.

use std::io::Write;
use std::process::Stdio;

use noon_testkit::{Repo, eventually};

use super::{house, pushed};

/// Starts a one-off that nobody waits for; gives its name.
fn detached(repo: &Repo<'_>, arguments: &[&str]) -> String {
    let ran = repo
        .noon(&[&["run", "--detached"], arguments].concat())
        .ok();
    let mut words = ran.stdout.split_whitespace();
    words
        .find(|w| w.starts_with("run."))
        .expect("a name")
        .to_owned()
}

fn is_gone(repo: &Repo<'_>, name: &str) {
    eventually(&format!("{name} is gone"), || {
        (!repo.noon(&["ps"]).ok().stdout.contains(name)).then_some(())
    });
}

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
    let name = detached(&repo, &["echo begun; sleep 600"]);
    let _ = repo.noon(&["ps"]).ok().says(&name);
    eventually("its output is in the log", || {
        repo.noon(&["logs", "--ps", &name])
            .ok()
            .stdout
            .contains("begun")
            .then_some(())
    });
    let _ = repo.noon(&["ps", "stop", &name]).ok();
    is_gone(&repo, &name);
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

#[test]
fn a_one_off_ends_when_its_time_to_live_is_over_and_the_log_says_why() {
    let house = house().start();
    let repo = pushed(&house, "mayfly");
    let long = detached(&repo, &["sleep 600"]);
    let short = detached(&repo, &["--time-to-live", "3s", "sleep 600"]);
    let json = repo.noon(&["ps", "--json"]).ok().json();
    let all = json.as_array().expect("a list");
    let of = |name: &str| all.iter().find(|p| p["name"] == name);
    assert!(of("web.1").expect("web.1")["expires_at"].is_null());
    assert!(of(&long).expect("the long one")["expires_at"].is_string());
    let _ = repo.noon(&["ps"]).ok().says("ends in 23h");
    is_gone(&repo, &short);
    let _ = repo.noon(&["ps"]).ok().says(&long);
    let logs = ["logs", "--ps", &short];
    eventually("the log says why", || {
        let why = "Stopping process: its time to live of 3 seconds is over";
        repo.noon(&logs).ok().stdout.contains(why).then_some(())
    });
    let ran = repo.noon(&["run", "--time-to-live", "1s", "sleep 600"]);
    let _ = ran.fails(124);
    let _ = repo
        .noon(&["run", "--time-to-live", "31d", "true"])
        .fails(1)
        .says("30 days");
    let _ = repo.noon(&["ps", "stop", &long]).ok();
    is_gone(&repo, &long);
    house.tear_down();
}

#[test]
fn so_many_one_offs_at_once_and_no_more() {
    let house = house().env("NOON_ONE_OFFS", "2").start();
    let repo = pushed(&house, "few");
    let first = detached(&repo, &["sleep 600"]);
    let second = detached(&repo, &["sleep 600"]);
    for more in [&["run", "true"][..], &["run", "--detached", "true"]] {
        let _ = repo
            .noon(more)
            .fails(1)
            .says("2 one-off processes already")
            .says("`noon ps`");
    }
    let _ = repo.noon(&["ps", "stop", &first]).ok();
    is_gone(&repo, &first);
    let _ = repo.noon(&["run", "true"]).ok();
    let _ = repo.noon(&["ps", "stop", &second]).ok();
    is_gone(&repo, &second);
    house.tear_down();
}

#[test]
fn a_one_off_ends_with_its_client_however_that_ends() {
    let house = house().start();
    let repo = pushed(&house, "bound");
    let mut command = house.command(env!("CARGO_BIN_EXE_noon").as_ref(), &["run", "cat"]);
    command.current_dir(repo.dir()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    eventually("it runs", || {
        repo.noon(&["ps"])
            .ok()
            .stdout
            .contains("run.")
            .then_some(())
    });
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    is_gone(&repo, "run.");
    house.tear_down();
}

/// Types and resizes at a terminal of its own, and says what it sees there.
const TYPIST: &str = r#"
import fcntl, os, pty, struct, sys, termios, time
pid, screen = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""
def until(text):
    global seen
    end = time.time() + 60
    while text not in seen:
        assert time.time() < end, seen
        seen += os.read(screen, 4096)
until(b"ready")
fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 121, 0, 0))
while b"41 121" not in seen:
    os.write(screen, b"size\n")
    until(b"end of size")
    seen = seen.replace(b"end of size", b"")
os.write(screen, b"\x03")
until(b"interrupted")
try:
    while os.read(screen, 4096): pass
except OSError: pass
print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_terminals_size_and_keys_reach_the_one_off() {
    let house = house().start();
    let repo = pushed(&house, "typist");
    let noon = env!("CARGO_BIN_EXE_noon");
    let inside = "trap 'echo interrupted; exit 9' INT; echo ready; \
        while :; do read line && { stty size; echo end of $line; }; done";
    let ran = repo
        .run("/usr/bin/python3", &["-c", TYPIST, noon, "run", inside])
        .ok();
    let _ = ran.says("exit 9");
    house.tear_down();
}
