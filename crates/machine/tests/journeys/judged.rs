//! Processes that are judged as their app declares, and given the time that is set for their type.

use std::time::Duration;

use noon_domain::{
    Engine, HealthCheck, HealthChecks, Intent, Process, ProcessState, Rhythm, Size, Timeouts,
};

use crate::site::{App, SERVE, Site, all_up, get, is_running};

/// A server that is well from the third time on that it is asked, and stops itself when told.
const MOODY: &str = r#"
import http.server, os, signal, threading
asked = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        if self.path == "/up": asked += 1
        status = 404 if self.path not in ("/", "/up") else 200 if asked > 2 else 503
        body = f"asked {asked}".encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/":
            threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGSTOP)).start()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn check(path: &str) -> Option<HealthCheck> {
    let rhythm = Rhythm {
        timeout: 1,
        attempts: 2,
        wait: 1,
    };
    Some(HealthCheck::new(path, rhythm).unwrap())
}

fn moody(site: &Site) -> App {
    App {
        layer: site.layer(&[("server.py", MOODY)]),
        ..site.app()
    }
}

/// One web process that is judged so.
fn judged(app: &App, health: HealthChecks) -> Intent {
    let mut intent = app.intent(1, &[("web.1", SERVE)]);
    intent.places[0].health = health;
    intent
}

fn another(all: &[Process], before: &Process) -> bool {
    all.len() == 1 && all_up(all) && all[0].id != before.id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_a_health_check_is_ready_when_it_answers_well_and_not_before() {
    let Some(site) = Site::open() else { return };
    let app = moody(&site);
    let health = HealthChecks {
        boot: check("/up"),
        live: None,
    };
    site.machine()
        .converge(&judged(&app, health))
        .await
        .unwrap();
    assert_eq!(get(&site.processes(&app).await[0]), "asked 3");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_never_answers_well_does_not_boot() {
    let Some(site) = Site::with(|s| s.rules.boot_limit = Duration::from_secs(2)) else {
        return;
    };
    let app = moody(&site);
    let health = HealthChecks {
        boot: check("/missing"),
        live: None,
    };
    let error = site.machine().converge(&judged(&app, health)).await;
    let error = error.unwrap_err().to_string();
    let why = "did not answer GET /missing well within 2 seconds: it answered with status 404";
    assert!(error.ends_with(why), "{error}");
    let said = "Error R10 (Boot timeout) -> Web process failed to answer GET /missing well";
    assert_eq!(site.said(said), 1);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_hangs_is_replaced_also_after_it_was_taken_over() {
    let Some(mut site) = Site::open() else { return };
    let app = moody(&site);
    let health = HealthChecks {
        boot: check("/up"),
        live: check("/up"),
    };
    let intent = judged(&app, health);
    site.machine().converge(&intent).await.unwrap();
    let first = site.processes(&app).await.remove(0);
    assert!(get(&first).starts_with("asked "));
    let second = site.until(&app, |all| another(all, &first)).await.remove(0);
    let said = "web.1: Health check failed 2 times in a row: GET /up, and it did not answer within";
    assert_eq!(site.said(said), 1);
    assert_eq!(site.said("State changed from up to crashed"), 1);
    drop(site.machine.take());
    site.start();
    assert_eq!(site.machine().adopt().await.unwrap().taken, 1);
    site.machine().converge(&intent).await.unwrap();
    assert_eq!(site.processes(&app).await[0].id, second.id);
    assert!(get(&second).starts_with("asked "));
    site.until(&app, |all| another(all, &second)).await;
    assert_eq!(site.said(said), 2);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_was_well_is_not_up_because_another_machine_took_it_over() {
    let Some(mut site) = Site::open() else { return };
    let app = moody(&site);
    let health = HealthChecks {
        boot: check("/missing"),
        live: None,
    };
    let intent = judged(&app, health);
    let machine = site.machine().clone();
    let converging = tokio::spawn(async move { machine.converge(&intent).await });
    site.until(&app, |all| !all.is_empty()).await;
    let listens = || site.pids().iter().any(|pid| tcp(*pid).contains(":1388 "));
    while !listens() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    converging.abort();
    let _ = converging.await;
    drop(site.machine.take());
    site.start();
    site.machine().adopt().await.unwrap();
    let found = site.processes(&app).await;
    assert_eq!(found[0].state, ProcessState::Starting);
    site.close().await;
}

/// What the process's network listens to, in the kernel's words: port 5000 is 1388.
fn tcp(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_has_the_time_that_is_set_for_it_without_being_replaced() {
    let Some(site) = Site::with(|s| s.rules.grace = Duration::from_secs(60)) else {
        return;
    };
    let app = site.app();
    let stubborn = "trap '' TERM; while :; do sleep 1; done";
    let mut intent = app.intent(1, &[("worker.1", stubborn)]);
    site.machine().converge(&intent).await.unwrap();
    let (before, pids) = (site.processes(&app).await, site.pids());
    intent.places[0].timeouts = Timeouts {
        boot: None,
        stop: "1s".parse().ok(),
    };
    site.machine().converge(&intent).await.unwrap();
    assert_eq!(site.processes(&app).await[0].id, before[0].id);
    intent.places.clear();
    site.machine().converge(&intent).await.unwrap();
    site.until(&app, <[_]>::is_empty).await;
    assert_eq!(site.said("failed to exit within 1 seconds of SIGTERM"), 1);
    assert!(!pids.into_iter().any(is_running));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_size_takes_the_place_of_the_old_one() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let mut intent = app.intent(1, &[("web.1", SERVE), ("worker.1", "sleep 1000")]);
    site.machine().converge(&intent).await.unwrap();
    let before = site.processes(&app).await;
    intent.places[0].size = Size::Standard2X;
    site.machine().converge(&intent).await.unwrap();
    let after = site.until(&app, |all| all.len() == 2).await;
    let sizes: Vec<_> = after.iter().map(|p| p.size).collect();
    assert_eq!(sizes, [Some(Size::Standard2X), Some(Size::Standard1X)]);
    assert_ne!(after[0].id, before[0].id);
    assert_eq!(after[1].id, before[1].id);
    site.close().await;
}
