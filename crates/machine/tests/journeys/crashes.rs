//! What happens to processes that do not behave.

use std::time::Duration;

use noon_domain::{Engine, ProcessFilter, ProcessState};

use rustix::process::Signal;

use crate::site::{SERVE, Site, all_up, is_running};

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_answered_at_once_and_then_more_and_more_slowly() {
    let Some(site) = Site::with(|s| s.rules.first_delay = Duration::from_millis(300)) else {
        return;
    };
    let app = site.app();
    let intent = app.intent(1, &[("worker.1", "sleep 0.5; exit 3"), ("web.1", SERVE)]);
    site.machine().converge(&intent).await.unwrap();
    let first = site.processes(&app).await;
    let worker = first
        .iter()
        .find(|p| p.name.kind.as_str() == "worker")
        .unwrap()
        .id;
    let restarted = |all: &[noon_domain::Process]| {
        all.iter()
            .any(|p| p.name.to_string() == "worker.1" && p.id != worker)
    };
    site.until(&app, restarted).await;
    assert_eq!(site.said("worker.1: Process exited with status 3"), 1);
    assert_eq!(site.said("worker.1: State changed from up to crashed"), 1);
    assert_eq!(
        site.said("worker.1: State changed from crashed to starting"),
        1
    );
    let crashed =
        |all: &[noon_domain::Process]| all.iter().any(|p| p.state == ProcessState::Crashed);
    site.until(&app, crashed).await;
    site.machine().converge(&intent).await.unwrap();
    assert_eq!(site.processes(&app).await.len(), 2);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_shim_is_stopped_is_ended_and_replaced() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let intent = app.intent(1, &[("worker.1", "sleep 1000")]);
    site.machine().converge(&intent).await.unwrap();
    let before = site.until(&app, |all| all.len() == 1 && all_up(all)).await[0].id;
    let init = site.pids()[0];
    let shim = parent_of(init);
    signal(shim, Signal::STOP);
    let which = ProcessFilter::Name("worker.1".parse().unwrap());
    site.machine().restart(app.id, &which).await.unwrap();
    site.until(&app, |all| all.iter().all(|p| p.id != before))
        .await;
    gone(&[init, shim]).await;
    site.machine().converge(&intent).await.unwrap();
    site.until(&app, |all| {
        all.len() == 1 && all_up(all) && all[0].id != before
    })
    .await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_ends_what_it_finds_under_a_stopped_shim() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let intent = app.intent(1, &[("worker.1", "sleep 1000")]);
    site.machine().converge(&intent).await.unwrap();
    site.until(&app, |all| all.len() == 1 && all_up(all)).await;
    let init = site.pids()[0];
    let shim = parent_of(init);
    drop(site.machine.take());
    signal(shim, Signal::STOP);
    site.start();
    let adopted = site.machine().adopt().await.unwrap();
    assert_eq!((adopted.taken, adopted.swept), (0, 1));
    gone(&[init, shim]).await;
    site.close().await;
}

async fn gone(pids: &[u32]) {
    for _ in 0..600 {
        if !pids.iter().any(|pid| is_running(*pid)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("of {pids:?} some live on");
}

fn parent_of(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_web_process_comes_back() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE)]))
        .await
        .unwrap();
    let before = site.processes(&app).await[0].id;
    kill(site.pids()[0]);
    site.until(&app, |all| {
        all.len() == 1 && all_up(all) && all[0].id != before
    })
    .await;
    assert_eq!(site.said("Process exited with status 137"), 1);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ignores_sigterm_is_killed_with_r12() {
    let Some(site) = Site::with(|s| s.rules.grace = Duration::from_millis(500)) else {
        return;
    };
    let app = site.app();
    let stubborn = "trap '' TERM; (trap '' TERM; sleep 1000) & while :; do sleep 1; done";
    site.machine()
        .converge(&app.intent(1, &[("worker.1", stubborn)]))
        .await
        .unwrap();
    let pids = site.pids();
    site.machine()
        .restart(app.id, &ProcessFilter::All)
        .await
        .unwrap();
    site.until(&app, <[_]>::is_empty).await;
    assert_eq!(site.said("Error R12 (Exit timeout)"), 1);
    assert!(!pids.into_iter().any(is_running));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_said_to_be_the_reason() {
    let Some(site) = Site::open() else { return };
    if site.settings.mode != noon_sandbox::Mode::Root {
        return site.close().await;
    }
    let app = site.app();
    let hog = "/usr/bin/python3 -c 'x = bytearray(200_000_000)'";
    let mut spec = app.one_off("run.1", hog);
    spec.limits.memory = Some(64 << 20);
    let (exit, _) = crate::site::captured(site.machine(), spec).await;
    assert_eq!(exit, noon_domain::Exit::Signal(9));
    assert_eq!(
        site.said("run.1: Error R15 (Memory quota vastly exceeded)"),
        1
    );
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_memory_than_the_quota_is_said_and_suffered() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let hog = "/usr/bin/python3 -c \"x = b'x' * 100_000_000; import time; time.sleep(3)\"";
    let mut spec = app.one_off("run.1", hog);
    spec.size = Some(noon_domain::Size::Standard1X);
    spec.limits.memory_quota = Some(64 << 20);
    spec.limits.memory = Some(1 << 30);
    let (exit, _) = crate::site::captured(site.machine(), spec).await;
    assert_eq!(exit, noon_domain::Exit::Code(0));
    assert_eq!(site.said("run.1: Process running mem="), 1);
    assert_eq!(site.said("run.1: Error R14 (Memory quota exceeded)"), 1);
    assert_eq!(site.said("R15"), 0);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_only_refilled_fails_nothing() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let places = [
        ("web.1", SERVE),
        ("worker.1", "[ ! -e spoilt ] || exit 5; sleep 1000"),
    ];
    site.machine()
        .converge(&app.intent(1, &places))
        .await
        .unwrap();
    site.machine.take().unwrap().shutdown(false).await;
    // After a reboot, say: nothing runs, and the worker does not boot any more.
    let layer = site.settings.layers_dir.join(app.layer.to_string());
    std::fs::write(layer.join("spoilt"), "").unwrap();
    site.start();
    site.machine()
        .converge(&app.intent(1, &places))
        .await
        .unwrap();
    let looks = site.looks(&app).await;
    assert_eq!(looks[0], "web.1 v1 up");
    assert!(looks[1].starts_with("worker.1 v1 "), "{looks:?}");
    site.close().await;
}

fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
