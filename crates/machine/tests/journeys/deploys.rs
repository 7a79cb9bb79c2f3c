//! From an intent to processes that serve.

use noon_domain::{Engine, EngineError, Intent, ProcessFilter, ProcessState, Secret, Timestamp};

use crate::site::{SERVE, Site, all_up, get};

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_becomes_processes_that_answer() {
    let Some(site) = Site::open() else { return };
    let mut app = site.app();
    app.env.insert("WORD".into(), Secret::new("hello".into()));
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE)]))
        .await
        .unwrap();
    assert_eq!(site.looks(&app).await, ["web.1 v1 up"]);
    let web = &site.processes(&app).await[0];
    assert_eq!(get(web), "web.1 v1 hello");
    assert!(web.boot.is_some());
    assert_eq!(
        site.said(&format!("web.1: Starting process with command `{SERVE}`")),
        1
    );
    assert_eq!(site.said("web.1: State changed from starting to up"), 1);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formation_grows_and_shrinks_without_touching_the_rest() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let places = [
        ("web.1", SERVE),
        ("web.2", SERVE),
        ("web.3", SERVE),
        ("worker.1", "sleep 1000"),
    ];
    site.machine()
        .converge(&app.intent(1, &places[..1]))
        .await
        .unwrap();
    let first = site.processes(&app).await[0].id;
    site.machine()
        .converge(&app.intent(1, &places))
        .await
        .unwrap();
    let all = site.processes(&app).await;
    assert_eq!(all.len(), 4);
    assert!(all_up(&all) && all[0].id == first);
    assert_eq!(get(&all[2]), "web.3 v1 None");
    site.machine()
        .converge(&app.intent(1, &places))
        .await
        .unwrap();
    let same: Vec<_> = site.processes(&app).await.iter().map(|p| p.id).collect();
    assert_eq!(same, all.iter().map(|p| p.id).collect::<Vec<_>>());
    site.machine()
        .converge(&app.intent(1, &places[1..2]))
        .await
        .unwrap();
    let left = site.until(&app, |all| all.len() == 1).await;
    assert_eq!(left[0].id, all[1].id);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_serves_until_the_new_is_ready() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE)]))
        .await
        .unwrap();
    let old = site.processes(&app).await[0].clone();
    let slow = format!("sleep 1; exec {SERVE}");
    let next = app.intent(2, &[("web.1", &slow)]);
    let machine = site.machine().clone();
    let converging = tokio::spawn(async move { machine.converge(&next).await });
    site.until(&app, |all| all.len() == 2).await;
    assert_eq!(site.looks(&app).await, ["web.1 v1 up", "web.1 v2 starting"]);
    assert_eq!(get(&old), "web.1 v1 None");
    converging.await.unwrap().unwrap();
    let now = site.until(&app, |all| all.len() == 1).await;
    assert_eq!(get(&now[0]), "web.1 v2 None");
    assert_eq!(*site.drained.lock().unwrap(), [old.id]);
    assert_eq!(site.said("Stopping all processes with SIGTERM"), 1);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_boot_changes_nothing() {
    let Some(site) = Site::with(|s| s.rules.boot_limit = std::time::Duration::from_secs(2)) else {
        return;
    };
    let app = site.app();
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE)]))
        .await
        .unwrap();
    let wrong_port = format!("PORT=3000 {SERVE}");
    for (number, command, expected) in [
        (
            2,
            "exit 7",
            "web.1 of v2 did not boot: exited with status 7 before it listened on $PORT",
        ),
        (
            3,
            "sleep 1000",
            "web.1 of v3 did not boot: did not listen on $PORT (5000) within 2 seconds",
        ),
        (
            4,
            &wrong_port,
            "web.1 of v4 did not boot: did not listen on $PORT (5000) within 2 seconds, but on 3000",
        ),
        (
            5,
            "/nowhere",
            "web.1 of v5 did not boot: exited with status 127 before it listened on $PORT",
        ),
    ] {
        let places = [("web.1", command), ("web.2", SERVE)];
        let error = site
            .machine()
            .converge(&app.intent(number, &places))
            .await
            .unwrap_err();
        assert!(matches!(error, EngineError::Boot { .. }));
        assert_eq!(error.to_string(), expected);
        let left = site.until(&app, |all| all.len() == 1).await;
        assert_eq!(get(&left[0]), "web.1 v1 None");
    }
    assert_eq!(site.said("Error R10 (Boot timeout)"), 2);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_replaces_what_was_started_before_it() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let mut intent = app.intent(1, &[("web.1", SERVE)]);
    site.machine().converge(&intent).await.unwrap();
    let old = site.processes(&app).await[0].id;
    intent.places[0].not_before = Timestamp::now();
    site.machine().converge(&intent).await.unwrap();
    let now = site.until(&app, |all| all.len() == 1).await;
    assert!(now[0].id != old && now[0].state == ProcessState::Up);
    let told = site
        .machine()
        .restart(app.id, &ProcessFilter::All)
        .await
        .unwrap();
    assert_eq!(told, 1);
    site.machine().converge(&intent).await.unwrap();
    let fresh = |all: &[_]| all_up(all) && all.iter().all(|p| p.id != now[0].id);
    site.until(&app, |all| all.len() == 1 && fresh(all)).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_without_a_release_stops_everything() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    site.machine()
        .converge(&app.intent(1, &[("web.1", SERVE)]))
        .await
        .unwrap();
    let nothing = Intent {
        release: None,
        places: vec![],
        ..app.intent(1, &[])
    };
    site.machine().converge(&nothing).await.unwrap();
    site.until(&app, <[_]>::is_empty).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_ipv6_alone_is_ready_too() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let command = format!("V6=1 exec {SERVE}");
    site.machine()
        .converge(&app.intent(1, &[("web.1", &command)]))
        .await
        .unwrap();
    assert_eq!(site.looks(&app).await, ["web.1 v1 up"]);
    site.close().await;
}
