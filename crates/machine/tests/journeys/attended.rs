//! Processes with a caller at the other end.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noon_domain::{Engine, Exit, Input, Io, Mount, ProcessSpec, Secret, Stream, WindowSize};
use noon_machine::Machine;

use crate::site::{Site, captured};

#[tokio::test(flavor = "multi_thread")]
async fn a_one_off_tells_its_status_and_what_it_printed() {
    let Some(site) = Site::open() else { return };
    let mut app = site.app();
    app.env.insert("WORD".into(), Secret::new("hello".into()));
    for (command, exit, printed) in [
        ("true", Exit::Code(0), ""),
        (
            "echo \"$WORD $DYNO $PWD\"",
            Exit::Code(0),
            "hello run.1 /app\n",
        ),
        ("exit 42", Exit::Code(42), ""),
        ("kill -KILL $$", Exit::Signal(9), ""),
        ("ls", Exit::Code(0), "server.py\n"),
    ] {
        let outcome = captured(site.machine(), app.one_off("run.1", command)).await;
        assert_eq!(outcome, (exit, printed.to_owned()), "{command}");
    }
    assert!(site.processes(&app).await.is_empty());
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_up_ends_it() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let mut spec = app.one_off("run.1", "sleep 1000");
    spec.limits.time = Some(Duration::from_millis(200));
    assert_eq!(captured(site.machine(), spec).await.0, Exit::TimedOut);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_takes_its_process_along() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let spec = app.one_off("run.1", "sleep 1000");
    let machine = site.machine().clone();
    let run = tokio::spawn(async move {
        machine
            .run(spec, Io::Capture(Box::new(|_, _| {})))
            .await
            .ok()
    });
    site.until(&app, |all| all.len() == 1 && crate::site::all_up(all))
        .await;
    run.abort();
    site.until(&app, <[_]>::is_empty).await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_writes_into_directories_that_stay() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let work = tempfile::tempdir().unwrap();
    let (upper, cache) = (work.path().join("upper"), work.path().join("cache"));
    std::fs::create_dir(&upper).unwrap();
    std::fs::create_dir(&cache).unwrap();
    let mut spec = app.one_off(
        "build.1",
        "mkdir out && echo built > out/x && echo kept > /cache/y",
    );
    spec.release = None;
    spec.files.upper = Some(upper.clone());
    spec.files.mounts = vec![Mount {
        source: cache.clone(),
        target: "/cache".into(),
        writable: true,
    }];
    assert_eq!(
        captured(site.machine(), spec).await,
        (Exit::Code(0), String::new())
    );
    assert_eq!(
        std::fs::read_to_string(upper.join("out/x")).unwrap(),
        "built\n"
    );
    assert_eq!(std::fs::read_to_string(cache.join("y")).unwrap(), "kept\n");
    assert_eq!(site.said("build.1"), 0);
    site.close().await;
    let mut left: Vec<_> = std::fs::read_dir(work.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["cache", "upper"]);
}

/// A user at the other end of a process.
struct User {
    input: Sender<Input>,
    seen: Arc<Mutex<Vec<(Stream, String)>>>,
    run: tokio::task::JoinHandle<Exit>,
}

impl User {
    fn of(machine: &Arc<Machine>, spec: ProcessSpec, terminal: Option<WindowSize>) -> Self {
        let (input, received) = mpsc::channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let io = Io::Attached {
            terminal,
            input: received,
            output: Box::new(move |stream, bytes| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                sink.lock().unwrap().push((stream, text));
            }),
        };
        let machine = machine.clone();
        let run = tokio::spawn(async move { machine.run(spec, io).await.unwrap() });
        Self { input, seen, run }
    }

    fn types(&self, text: &str) {
        self.input
            .send(Input::Bytes(text.as_bytes().to_vec()))
            .unwrap();
    }

    fn text(&self, stream: Stream) -> String {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|(s, _)| *s == stream)
            .map(|(_, text)| text.as_str())
            .collect()
    }

    async fn sees(&self, part: &str) {
        let begun = std::time::Instant::now();
        while !self.text(Stream::Stdout).contains(part) {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{:?}",
                self.seen.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one_and_knows_its_size() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let size = |columns, rows| WindowSize { columns, rows };
    let user = User::of(
        site.machine(),
        app.one_off("run.1", "bash --norc"),
        Some(size(91, 31)),
    );
    user.types("tty; stty size; echo pid-$((20+3))\n");
    user.sees("pid-23").await;
    assert!(
        user.text(Stream::Stdout).contains("31 91"),
        "{}",
        user.text(Stream::Stdout)
    );
    user.input.send(Input::Resize(size(120, 40))).unwrap();
    user.types("sh -c 'stty size; echo in-$((4*4)); exec sleep 1000'\n");
    user.sees("40 120").await;
    user.sees("in-16").await;
    // Control-C ends the sleep, and not the shell.
    user.types("\u{3}");
    user.types("echo still-$((1+1)); exit 5\n");
    user.sees("still-2").await;
    assert_eq!(user.run.await.unwrap(), Exit::Code(5));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_keep_errors_apart_and_end_when_told() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let user = User::of(
        site.machine(),
        app.one_off("run.1", "cat; echo oops >&2"),
        None,
    );
    let long = "x".repeat(200_000);
    user.types(&long);
    user.input.send(Input::End).unwrap();
    let seen = user.seen.clone();
    assert_eq!(user.run.await.unwrap(), Exit::Code(0));
    let seen = seen.lock().unwrap().clone();
    let all = |stream| -> String {
        seen.iter()
            .filter(|(s, _)| *s == stream)
            .map(|(_, t)| t.as_str())
            .collect()
    };
    assert_eq!(all(Stream::Stdout).len(), long.len());
    assert_eq!(all(Stream::Stderr), "oops\n");
    drop(user.input);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_arrive_and_a_user_who_leaves_hangs_up() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let trap = "trap 'echo got-usr1' USR1; echo ready; while :; do sleep 0.05; done";
    let user = User::of(site.machine(), app.one_off("run.1", trap), None);
    user.sees("ready").await;
    user.input.send(Input::Signal(10)).unwrap();
    user.sees("got-usr1").await;
    drop(user.input);
    assert_eq!(user.run.await.unwrap(), Exit::Signal(1));
    let terminal = Some(WindowSize {
        columns: 80,
        rows: 24,
    });
    let user = User::of(
        site.machine(),
        app.one_off("run.2", "echo ready; sleep 1000"),
        terminal,
    );
    user.sees("ready").await;
    drop(user.input);
    assert_eq!(user.run.await.unwrap(), Exit::Signal(1));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_heed_that_its_user_left_is_ended_with_r16() {
    let Some(site) = Site::open() else { return };
    let app = site.app();
    let deaf = "trap '' HUP; echo ready; while :; do sleep 0.05; done";
    let user = User::of(site.machine(), app.one_off("run.1", deaf), None);
    user.sees("ready").await;
    drop(user.input);
    let ended = tokio::time::timeout(Duration::from_secs(60), user.run).await;
    assert_eq!(ended.expect("it is ended").unwrap(), Exit::Signal(15));
    assert_eq!(site.said("run.1: Error R16 (Detached)"), 1);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_to_live_goes_on_under_the_next_machine() {
    let Some(mut site) = Site::open() else { return };
    let app = site.app();
    let mut spec = app.one_off("run.1", "sleep 1000");
    spec.limits.time = Some(Duration::from_secs(3));
    let machine = site.machine().clone();
    let run = tokio::spawn(async move { machine.run(spec, Io::Log).await.ok() });
    let up = |all: &[_]| all.len() == 1 && crate::site::all_up(all);
    let before = site.until(&app, up).await;
    run.abort();
    let _ = run.await;
    site.machine.take();
    site.start();
    site.machine().adopt().await.unwrap();
    let after = site.until(&app, up).await;
    assert!(after[0].expires_at.is_some());
    assert_eq!(after[0].expires_at, before[0].expires_at);
    site.until(&app, <[_]>::is_empty).await;
    assert_eq!(
        site.said("run.1: Stopping process: its time to live of 3 seconds is over"),
        1
    );
    site.close().await;
}
