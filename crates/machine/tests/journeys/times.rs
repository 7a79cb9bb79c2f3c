//! How long boots and stops take is told.

use std::time::Duration;

use noon_domain::{Engine, Took};

use crate::site::{SERVE, Site, captured};

fn told(site: &Site) -> Vec<String> {
    let timed = site.timed.lock().unwrap();
    let one = |timing: &noon_domain::Timing| match timing.what {
        Took::Boot(_) => format!("{} {} booted", timing.name, timing.release),
        Took::Stop(_) => format!("{} {} stopped", timing.name, timing.release),
    };
    let mut told: Vec<_> = timed.iter().map(one).collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_of_a_formation_tells_its_boot_and_its_stop_once() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let slow = "trap 'sleep 0.4; exit' TERM; while :; do sleep 0.05; done";
    let first = app.intent(1, &[("web.1", SERVE), ("worker.1", slow)]);
    site.machine().converge(&first).await.unwrap();
    assert_eq!(told(&site), ["web.1 v1 booted", "worker.1 v1 booted"]);
    captured(site.machine(), app.one_off("run.1", "true")).await;
    let runs: Vec<_> = site.processes(&app).await.iter().map(|p| p.id).collect();

    // Whoever adopts has seen no boot, and sees the stop.
    site.machine.take();
    site.start();
    site.machine().adopt().await.unwrap();
    site.machine().converge(&app.intent(1, &[])).await.unwrap();
    site.until(&app, <[_]>::is_empty).await;
    let all = [
        "web.1 v1 booted",
        "web.1 v1 stopped",
        "worker.1 v1 booted",
        "worker.1 v1 stopped",
    ];
    assert_eq!(told(&site), all);
    let timed = site.timed.lock().unwrap().clone();
    assert!(timed.iter().all(|timing| runs.contains(&timing.process)));
    let of_worker = |timing: &&noon_domain::Timing| {
        timing.name.kind.as_str() == "worker" && matches!(timing.what, Took::Stop(_))
    };
    let stop = timed.iter().find(of_worker).unwrap().what.duration();
    assert!(stop >= Duration::from_millis(400), "{stop:?}");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crashes_tells_no_stop_and_its_next_run_tells_a_boot() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let intent = app.intent(1, &[("worker.1", "sleep 0.6; exit 1")]);
    site.machine().converge(&intent).await.unwrap();
    let first = site.processes(&app).await[0].id;
    site.until(&app, |all| {
        all.iter().any(|p| p.id != first && p.boot.is_some())
    })
    .await;
    assert_eq!(
        told(&site)[..2],
        ["worker.1 v1 booted", "worker.1 v1 booted"]
    );
    site.close().await;
}
