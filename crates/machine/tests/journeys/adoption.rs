//! Machines come and go; processes stay.

use std::time::Duration;

use noon_domain::{Engine, Io, Process, Timestamp};
use noon_machine::OutputScan;
use noon_sandbox::Shim;
use tokio::runtime::Runtime;

use crate::site::{SERVE, Site, all_up, get, is_running};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_machine_takes_over_what_the_old_one_left_and_starts_nothing_twice() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let intent = app.intent(
        1,
        &[
            ("web.1", SERVE),
            ("web.2", SERVE),
            ("worker.1", "sleep 1000"),
        ],
    );
    site.machine().converge(&intent).await.unwrap();
    let (before, pids) = (site.processes(&app).await, site.pids());
    drop(site.machine.take());
    site.start();
    let adopted = site.machine().adopt().await.unwrap();
    assert_eq!((adopted.taken, adopted.stopped, adopted.swept), (3, 0, 0));
    let found = site.processes(&app).await;
    assert!(all_up(&found), "{:?}", site.looks(&app).await);
    assert_eq!(get(&found[0]), "web.1 v1 None");
    site.machine().converge(&intent).await.unwrap();
    let after = site.processes(&app).await;
    let ids = |all: &[Process]| all.iter().map(|p| p.id).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before));
    assert_eq!(site.pids(), pids);
    assert_eq!(site.said("Starting process"), 3);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_over_is_supervised_like_all_else() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let intent = app.intent(1, &[("web.1", SERVE)]);
    site.machine().converge(&intent).await.unwrap();
    drop(site.machine.take());
    site.start();
    site.machine().adopt().await.unwrap();
    site.machine().converge(&intent).await.unwrap();
    let before = site.processes(&app).await[0].id;
    let pid = rustix::process::Pid::from_raw(site.pids()[0].cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    site.until(&app, |all| {
        all.len() == 1 && all_up(all) && all[0].id != before
    })
    .await;
    site.machine()
        .converge(&app.intent(2, &[("web.1", SERVE)]))
        .await
        .unwrap();
    let now = site.until(&app, |all| all.len() == 1).await;
    assert_eq!(get(&now[0]), "web.1 v2 None");
    site.close().await;
}

#[test]
fn what_ended_meanwhile_is_told_and_swept_and_what_lost_its_caller_is_stopped() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    // The runtime of the first machine is torn away with all that it does, as by a kill.
    let first = Runtime::new().unwrap();
    first.block_on(async {
        let worker = app.intent(1, &[("worker.1", "sleep 1000")]);
        site.machine().converge(&worker).await.unwrap();
        for (name, log) in [("run.1", false), ("run.2", true)] {
            let (machine, spec) = (site.machine().clone(), app.one_off(name, "sleep 1000"));
            let io = if log {
                Io::Log
            } else {
                Io::Capture(Box::new(|_, _| {}))
            };
            tokio::spawn(async move { machine.run(spec, io).await });
        }
        site.until(&app, |all| all.len() == 3 && all_up(all)).await;
    });
    let worker = first.block_on(site.processes(&app))[2].id;
    first.shutdown_timeout(Duration::from_secs(5));
    drop(site.machine.take());
    let dir = site.settings.shims_dir.join(worker.to_string());
    kill(Shim::connect(&dir).unwrap().status().unwrap().init_pid);
    site.lines.lock().unwrap().clear();
    Runtime::new().unwrap().block_on(async {
        site.start();
        let adopted = site.machine().adopt().await.unwrap();
        assert_eq!((adopted.taken, adopted.stopped, adopted.swept), (1, 1, 1));
        assert_eq!(site.said("worker.1: Process exited with status 137"), 1);
        let named = |all: &[Process], name: &str| all.iter().any(|p| p.name.to_string() == name);
        let left = site.until(&app, |all| !named(all, "run.1")).await;
        assert!(left.len() == 1 && named(&left, "run.2") && all_up(&left));
        site.close().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_without_a_shim_are_swept() {
    let Some(site) = Site::open() else { return };
    std::fs::create_dir_all(site.settings.shims_dir.join("1234/x")).unwrap();
    let adopted = site.machine().adopt().await.unwrap();
    assert_eq!(adopted.swept, 1);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_older_boot_is_adopted_and_all_of_it_is_swept() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let intent = app.intent(1, &[("web.1", SERVE), ("worker.1", "sleep 1000")]);
    site.machine().converge(&intent).await.unwrap();
    let before = site.processes(&app).await;
    // What a power cut leaves: the directories as they were, and nobody behind them.
    drop(site.machine.take());
    let dirs: Vec<_> = before
        .iter()
        .map(|p| site.settings.shims_dir.join(p.id.to_string()))
        .collect();
    for dir in &dirs {
        let init = Shim::connect(dir).unwrap().status().unwrap().init_pid;
        let stat = std::fs::read_to_string(format!("/proc/{init}/stat")).unwrap();
        let shim = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap();
        kill(shim.parse().unwrap());
        assert!(dir.join("sock").exists(), "its socket stays");
    }
    let ended = site
        .settings
        .shims_dir
        .join(noon_domain::ProcessId::new().to_string());
    std::fs::create_dir(&ended).unwrap();
    std::fs::write(ended.join("exit"), "code 0\n").unwrap();
    let torn = site
        .settings
        .shims_dir
        .join(noon_domain::ProcessId::new().to_string());
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join("exit"), "").unwrap();
    site.start();
    let adopted = site.machine().adopt().await.unwrap();
    assert_eq!((adopted.taken, adopted.stopped, adopted.swept), (0, 0, 4));
    for dir in dirs.iter().chain([&ended, &torn]) {
        assert!(!dir.exists(), "{}", dir.display());
    }
    // Every place is filled anew, once.
    site.machine().converge(&intent).await.unwrap();
    let after = site.until(&app, |all| all.len() == 2 && all_up(all)).await;
    assert!(
        after
            .iter()
            .all(|new| before.iter().all(|old| old.id != new.id))
    );
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_neither_restarts_what_runs_nor_forbids_it() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let mut intent = app.intent(1, &[("web.1", SERVE)]);
    // Started when the clock stood an hour ahead.
    let ahead = Timestamp::from_micros(Timestamp::now().as_micros() + 3_600_000_000);
    intent.places[0].not_before = ahead;
    site.machine().converge(&intent).await.unwrap();
    let first = site.processes(&app).await[0].id;
    drop(site.machine.take());
    site.start();
    assert_eq!(site.machine().adopt().await.unwrap().taken, 1);
    site.machine().converge(&intent).await.unwrap();
    assert_eq!(site.processes(&app).await[0].id, first, "it runs on");
    // The back-off after a crash does not look at that clock either.
    let pid = rustix::process::Pid::from_raw(site.pids()[0].cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let second = site
        .until(&app, |all| {
            all.len() == 1 && all_up(all) && all[0].id != first
        })
        .await;
    intent.places[0].not_before = Timestamp::from_micros(second[0].started_at.as_micros() + 1);
    site.machine().converge(&intent).await.unwrap();
    let third = site.until(&app, |all| all.len() == 1 && all_up(all)).await;
    assert!(third[0].id != second[0].id, "a restart replaces it");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_found_once_also_of_what_ends_at_once() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let mut scan = OutputScan::new(&site.settings.shims_dir);
    let one = app.one_off("run.1", "echo out; echo err >&2");
    site.machine().run(one, Io::Log).await.unwrap();
    let quiet = app.one_off("run.2", "echo other");
    site.machine()
        .run(quiet, Io::Capture(Box::new(|_, _| {})))
        .await
        .unwrap();
    let found = scan.scan();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].app, found[0].name.as_str()), (app.id, "run.1"));
    let mut buffer = [0; 100];
    let read = rustix::io::read(&found[0].pipe, &mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"out\nerr\n");
    assert!(scan.scan().is_empty());
    site.close().await;
}

fn kill(pid: u32) {
    let raw = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    while is_running(pid) {
        std::thread::yield_now();
    }
}
