//! Faults at every step of a start and a stop: each process of a sandbox is killed, and each of
//! its system calls fails, once at every step; after each nothing is left, and no start that
//! succeeded has a weaker wall.
//!
//! It has no harness: it poses as the shim program (see `tracer`), becomes an ordinary user for
//! the second half, and reaps what comes to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test without a harness, whose helpers may fall"
)]

mod ground;
mod sys;
mod tracer;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, ExitCode};

use ground::Ground;
use tracer::{Fault, Role};

/// An ordinary user without a name and without a range of others.
const LONELY_UID: u32 = 54_322;
/// Calls that do not fail, or whose failing would be the test's doing: the call is not made, so
/// that what it should close stays open and who should leave stays.
const SPARED: [i64; 7] = [
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_munmap,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_getpid,
];

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    if arguments.next().as_deref() == Some("noon-shim") {
        tracer::pose();
    }
    match arguments.next().as_deref() {
        Some("--as-user") => as_user(arguments.next().unwrap().as_ref()),
        Some("--list") => {}
        _ if cfg!(not(target_arch = "x86_64")) => eprintln!("skipped: the tracer knows x86-64"),
        _ if !is_root() => eprintln!("skipped: needs root, to be root and to become another"),
        Some("user") => run_as_user(),
        _ => as_root(),
    }
    ExitCode::SUCCESS
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .contains("Uid:\t0\t0")
}

fn as_root() {
    sys::live_apart(true).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let shim = env!("CARGO_BIN_EXE_noon-shim");
    let starts = try_all(&Ground::new(dir.path(), shim.as_ref()), libc::ENOMEM);
    println!("as root: {starts} starts with a fault, nothing was left");
    run_as_user();
}

fn run_as_user() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: &Path, name: &str| {
        let to = dir.path().join(name);
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
        to
    };
    let program = copy(&std::env::current_exe().unwrap(), "program");
    copy(env!("CARGO_BIN_EXE_noon-shim").as_ref(), "shim");
    chown(dir.path(), Some(LONELY_UID), Some(LONELY_UID)).unwrap();
    let user = [
        format!("--reuid={LONELY_UID}"),
        format!("--regid={LONELY_UID}"),
        "--clear-groups".to_owned(),
    ];
    let mut command = Command::new("setpriv");
    command.args(user).arg(program).arg("--as-user");
    let status = command.arg(dir.path()).status().unwrap();
    assert!(status.success(), "the faults of an ordinary user");
}

fn as_user(dir: &Path) {
    noon_sandbox::enter_rootless().unwrap();
    sys::live_apart(false).unwrap();
    let starts = try_all(&Ground::new(dir, &dir.join("shim")), libc::EPERM);
    println!("as an ordinary user: {starts} starts with a fault, nothing was left");
}

/// Meets every fault at every step; how many starts that were.
fn try_all(ground: &Ground, errno: i32) -> usize {
    ground.watch_for_hangs();
    let steps = ground.record();
    let mut starts = 0;
    let mut refused = 0;
    for role in Role::ALL {
        let calls: Vec<i64> = steps
            .iter()
            .filter(|(who, _)| *who == role)
            .map(|(_, call)| *call)
            .collect();
        println!("{role:?}: {} steps", calls.len());
        for (step, call) in calls.into_iter().enumerate() {
            let fails = (!SPARED.contains(&call)).then_some(Fault::Fail(errno));
            for fault in [Fault::Kill].into_iter().chain(fails) {
                refused += usize::from(ground.meet((role, step, fault), call));
                starts += 1;
            }
        }
    }
    ground.nothing_is_left();
    println!("{refused} of them were refused");
    starts
}
