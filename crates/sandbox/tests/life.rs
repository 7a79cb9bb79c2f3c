//! The life of a sandboxed process: it prints, ends, is told of, and leaves nothing behind.
#![expect(unsafe_code, reason = "tests wait and signal as the platform does")]

mod common;

use common::{Ground, can_run};
use noon_sandbox::Ended;

#[test]
fn what_a_process_prints_and_how_it_ends_is_kept() {
    if !can_run() {
        return;
    }
    let ground = Ground::new();
    let (output, ended) = ground.run("echo hello; echo problem >&2; exit 3");
    assert_eq!(output, "hello\nproblem\n");
    assert_eq!(ended, Ended::Code(3));
    let (_, ended) = ground.run("kill -SEGV $$");
    assert_eq!(ended, Ended::Signal(libc::SIGSEGV));
}
