//! The same journeys without being root: this test runs the others again, as nobody in particular.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The journeys that differ most without root: walls, sockets into them, and the way out.
const JOURNEYS: [&str; 12] = [
    "deploys::an_intent_becomes_processes_that_answer",
    "deploys::a_server_on_ipv6_alone_is_ready_too",
    "deploys::a_release_that_does_not_boot_changes_nothing",
    "crashes::a_crash_is_answered_at_once_and_then_more_and_more_slowly",
    "adoption::a_new_machine_takes_over_what_the_old_one_left_and_starts_nothing_twice",
    "attended::a_build_writes_into_directories_that_stay",
    "world::a_process_has_a_way_out_but_none_to_this_machine_or_its_neighbours",
    "attacks::the_metadata_service_of_a_cloud_is_out_of_reach",
    "attacks::a_scan_finds_no_open_port",
    "attacks::an_address_cannot_be_forged",
    "attacks::thousands_of_connections_exhaust_only_whoever_opens_them",
    "attacks::no_address_of_the_gateway_leads_to_this_machines_loopback",
];

/// An ordinary user, who has no name here, in a user namespace of his own; with the device that
/// `pasta` needs, as most systems give it to everyone.
const AS_NOBODY: &str = "
set -e
mount -t tmpfs none /dev/net
mknod -m 666 /dev/net/tun c 10 200
cd /tmp
exec setpriv --reuid 54321 --regid 54321 --clear-groups \
    unshare --user --map-root-user --mount \"$@\"";

#[test]
fn nobody_in_particular_can_do_the_same() {
    let has = |program: &str| Path::new("/usr/bin").join(program).exists();
    let tools = ["setpriv", "unshare", "pasta", "python3"]
        .into_iter()
        .all(has);
    if noon_sandbox::enter_rootless().ok() != Some(noon_sandbox::Mode::Root) || !tools {
        return eprintln!("skipped: this journey needs root to begin with, setpriv and pasta");
    }
    let dir = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open.clone()).unwrap();
    let program = dir.path().join("journeys");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, open).unwrap();
    let out = Command::new("unshare")
        .args(["--mount", "sh", "-c", AS_NOBODY, "sh"])
        .arg(&program)
        .args(["--exact", "--test-threads", "2"])
        .args(JOURNEYS)
        .env("TMPDIR", "/tmp")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{printed}\n{errors}");
    assert!(
        printed.contains("12 passed") && !errors.contains("skipped"),
        "{printed}\n{errors}"
    );
}
