//! One run of the attacks, as one user.

use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use noon_sandbox::{Mode, enter_rootless};

use crate::Attack;
use crate::common::wait_readable;
use crate::stage::{Stage, directories, shims};

/// How many attacks are tried at once.
const AT_ONCE: usize = 3;
/// How long an attack may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Tries these attacks as the user that this process belongs to.
pub fn run(mode: &str, attacks: Vec<Attack>) -> ExitCode {
    // The namespace of users comes first: after it there may be threads.
    let entered =
        enter_rootless().unwrap_or_else(|error| panic!("{}", crate::common::story(&error)));
    assert_eq!(entered == Mode::Root, mode == "root", "{mode}: {entered:?}");
    println!(
        "\nrunning {} attacks as {mode} ({entered:?})",
        attacks.len()
    );
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let (alive, dead) = std::sync::mpsc::channel();
        std::thread::spawn(move || watch(&dead));
        for _ in 0..AT_ONCE {
            let alive = alive.clone();
            let (attacks, next, failed) = (&attacks, &next, &failed);
            scope.spawn(move || {
                while let Some((name, attack)) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _ = alive.send(*name);
                    if !succeeds(mode, name, *attack) {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    tell(mode, attacks.len(), &failed);
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Ends the run when nothing has begun for long: an attack waits for what does not come.
fn watch(begun: &Receiver<&'static str>) {
    let mut last = "";
    loop {
        match begun.recv_timeout(PATIENCE) {
            Ok(name) => last = name,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    eprintln!("stuck: nothing has begun since {last}");
    for home in directories(&std::env::temp_dir()) {
        for shim in shims(&home) {
            let _ = noon_sandbox::Shim::connect(&shim).and_then(|mut shim| {
                shim.kill()?;
                wait_readable(shim.wait_fd().as_raw_fd(), 5000);
                shim.dismiss()
            });
        }
    }
    std::process::exit(1);
}

fn succeeds(mode: &str, name: &str, attack: fn(&Stage)) -> bool {
    let tried = std::panic::catch_unwind(|| {
        let stage = Stage::new(mode);
        attack(&stage);
        stage.close();
    });
    let word = if tried.is_ok() { "ok" } else { "FAILED" };
    println!("test {mode}: {name} ... {word}");
    tried.is_ok()
}

/// In the words of the usual harness, so that whoever counts tests counts these.
fn tell(mode: &str, all: usize, failed: &[&str]) {
    for name in failed {
        println!("failed as {mode}: {name}");
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let (passed, failed) = (all - failed.len(), failed.len());
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; as {mode}\n"
    );
}
