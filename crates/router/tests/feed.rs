//! The feed between control and router, over a real socket.

mod support;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use noon_domain::{AppId, Endpoint, NoBackend, ProcessId, RouteTable};
use noon_router::Routes;
use noon_router::feed::{Publisher, Subscriber};
use support::{App, House, HouseSettings, endpoint, table};
use tokio::task::JoinHandle;

struct Router {
    routes: Routes,
    task: JoinHandle<()>,
}

impl Router {
    fn start(socket: &Path, kept: Option<PathBuf>) -> Self {
        let routes = Routes::new();
        let subscriber = Subscriber::new(socket, routes.clone(), kept);
        let task = tokio::spawn(async {
            subscriber.run().await;
        });
        Self { routes, task }
    }

    async fn follows(&self, generation: u64) {
        until("the router follows", || {
            self.routes.generation() == generation
        })
        .await;
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, wait)
        .await
        .expect(what);
}

/// What must resolve.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(support::PATIENCE, future)
        .await
        .expect(what)
}

/// What must not resolve yet, however often it is asked.
async fn is_waiting(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    let wait = Duration::from_millis(100);
    tokio::time::timeout(wait, future).await.is_err()
}

fn ready(generation: u64, endpoints: &[&Endpoint]) -> RouteTable {
    let ready = endpoints.iter().map(|e| (*e).clone()).collect();
    table(generation, AppId::new(), Ok(ready))
}

fn endpoints() -> (Endpoint, Endpoint) {
    let address = ([127, 0, 0, 1], 9).into();
    (endpoint(address), endpoint(address))
}

fn socket() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Longer than a Unix socket's path may be.
    let deep = dir.path().join("x".repeat(120));
    std::fs::create_dir(&deep).expect("a directory");
    let path = deep.join("routes.sock");
    (dir, path)
}

#[tokio::test]
async fn a_router_gets_the_newest_table_whenever_it_connects() {
    let (_dir, path) = socket();
    let early = Router::start(&path, None);
    let publisher = Publisher::bind(&path, None).unwrap();
    let (one, two) = endpoints();
    publisher.publish(&ready(1, &[&one])).unwrap();
    early.follows(1).await;
    publisher.publish(&ready(2, &[&one, &two])).unwrap();
    early.follows(2).await;
    let late = Router::start(&path, None);
    late.follows(2).await;
    assert_eq!(publisher.routers(), 2);
}

#[tokio::test]
async fn a_table_is_taken_up_once_every_router_follows_it() {
    let (_dir, path) = socket();
    let publisher = Publisher::bind(&path, None).unwrap();
    soon("no router is connected", publisher.taken_up()).await;
    let (one, two) = (Router::start(&path, None), Router::start(&path, None));
    until("both are there", || publisher.routers() == 2).await;
    let (endpoint, _) = endpoints();
    for generation in 1..20 {
        publisher.publish(&ready(generation, &[&endpoint])).unwrap();
        soon("both follow", publisher.taken_up()).await;
        let followed = (one.routes.generation(), two.routes.generation());
        assert_eq!(followed, (generation, generation));
    }
}

#[tokio::test]
async fn a_table_is_taken_up_by_a_router_that_is_about_to_connect() {
    let (_dir, path) = socket();
    let publisher = Publisher::bind(&path, None).unwrap();
    let (endpoint, _) = endpoints();
    publisher.publish(&ready(1, &[&endpoint])).unwrap();
    let coming = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Router::start(&path, None)
    };
    let ((), router) = tokio::join!(soon("it is followed", publisher.taken_up()), coming);
    assert_eq!(router.routes.generation(), 1);
}

#[tokio::test]
async fn a_process_is_drained_when_no_router_is_there_or_no_table_led_to_it() {
    let (_dir, path) = socket();
    let publisher = Publisher::bind(&path, None).unwrap();
    let (one, _) = endpoints();
    publisher.publish(&ready(1, &[&one])).unwrap();
    soon("no router is connected", publisher.drained(one.process)).await;
    let router = Router::start(&path, None);
    router.follows(1).await;
    soon("no table led there", publisher.drained(ProcessId::new())).await;
}

#[tokio::test]
async fn a_process_is_drained_when_it_is_out_of_the_table_and_its_last_request_is_done() {
    let (_dir, path) = socket();
    let publisher = Publisher::bind(&path, None).unwrap();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let app = App::answering(move |_| {
        wait.lock().unwrap().recv().unwrap();
        support::ok("done")
    });
    let routes = Routes::new();
    let house = House::start(HouseSettings {
        routes: routes.clone(),
        ..HouseSettings::default()
    });
    let subscriber = Subscriber::new(&path, routes.clone(), None);
    let task = tokio::spawn(subscriber.run());
    let other = App::saying("other");
    let process = app.endpoint.process;

    publisher.publish(&ready(1, &[&app.endpoint])).unwrap();
    until("the router follows", || routes.generation() == 1).await;
    let mut client = house.client();
    client.send("GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n");
    until("the request is there", || routes.busy(process) == 1).await;

    let mut drained = Box::pin(publisher.drained(process));
    assert!(
        is_waiting(&mut drained).await,
        "the table still leads there"
    );
    publisher.publish(&ready(2, &[&other.endpoint])).unwrap();
    until("the router follows", || routes.generation() == 2).await;
    assert!(is_waiting(&mut drained).await, "a request is still there");
    go_on.send(()).unwrap();
    assert_eq!(client.answer().text(), "done");
    soon("the last request is over", drained).await;
    task.abort();
}

#[tokio::test]
async fn a_router_that_is_away_for_a_moment_is_still_asked() {
    let (_dir, path) = socket();
    let (one, two) = endpoints();
    let router = Router::start(&path, None);
    let first = Publisher::bind(&path, None).unwrap();
    first.publish(&ready(1, &[&one])).unwrap();
    router.follows(1).await;
    drop(first);
    // Control is back, and its very first question comes before the router does.
    let second = Publisher::bind(&path, None).unwrap();
    second.publish(&ready(1, &[&two])).unwrap();
    soon("the router is back", second.drained(one.process)).await;
    assert_eq!(second.routers(), 1, "nobody waited for the router");
}

#[tokio::test]
async fn the_last_table_stays_when_control_goes_away() {
    let (_dir, path) = socket();
    let (one, two) = endpoints();
    let router = Router::start(&path, None);
    let publisher = Publisher::bind(&path, None).unwrap();
    publisher.publish(&ready(5, &[&one])).unwrap();
    router.follows(5).await;
    drop(publisher);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(router.routes.generation(), 5);
    // A new control counts from the start again.
    let publisher = Publisher::bind(&path, None).unwrap();
    publisher.publish(&ready(1, &[&two])).unwrap();
    router.follows(1).await;
}

#[tokio::test]
async fn a_router_that_starts_without_control_serves_the_table_it_kept() {
    let (dir, path) = socket();
    let kept = dir.path().join("routes.json");
    let app = App::saying("kept");
    {
        let publisher = Publisher::bind(&path, Some(kept.clone())).unwrap();
        publisher.publish(&ready(3, &[&app.endpoint])).unwrap();
        soon("the table is kept", publisher.taken_up()).await;
    }
    let router = Router::start(&path, Some(kept));
    let routes = router.routes.clone();
    let house = House::start(HouseSettings {
        routes,
        ..HouseSettings::default()
    });
    let answer = tokio::task::spawn_blocking(move || house.get("/"))
        .await
        .unwrap();
    assert_eq!(answer.text(), "kept");
}

#[tokio::test]
async fn nothing_is_drained_to_which_a_router_could_be_led_that_starts_without_control() {
    let (dir, path) = socket();
    let kept = dir.path().join("routes.json");
    let (one, two) = endpoints();
    {
        let publisher = Publisher::bind(&path, Some(kept.clone())).unwrap();
        publisher.publish(&ready(1, &[&one])).unwrap();
        soon("the table is kept", publisher.taken_up()).await;
        // No router is there, and none comes: still not before the file leads elsewhere.
        let mut drained = Box::pin(publisher.drained(one.process));
        let wait = Duration::from_secs(3);
        let resolved = tokio::time::timeout(wait, &mut drained).await;
        assert!(resolved.is_err(), "the file still leads there");
        publisher.publish(&ready(2, &[&two])).unwrap();
        soon("it is out of the file", drained).await;
    }
    let router = Router::start(&path, Some(kept));
    assert_eq!(router.routes.generation(), 2);
}

#[tokio::test]
async fn a_process_that_comes_back_is_drained_only_after_it_left_again() {
    let (_dir, path) = socket();
    let publisher = Publisher::bind(&path, None).unwrap();
    let router = Router::start(&path, None);
    let (one, _) = endpoints();
    publisher.publish(&ready(1, &[&one])).unwrap();
    publisher
        .publish(&table(2, AppId::new(), Err(NoBackend::Booting)))
        .unwrap();
    publisher.publish(&ready(3, &[&one])).unwrap();
    router.follows(3).await;
    let mut drained = Box::pin(publisher.drained(one.process));
    assert!(is_waiting(&mut drained).await);
    publisher
        .publish(&table(4, AppId::new(), Err(NoBackend::Booting)))
        .unwrap();
    soon("it left", drained).await;
    assert_eq!(router.routes.generation(), 4);
}

#[tokio::test]
async fn a_waiting_drain_may_be_dropped() {
    let (_dir, path) = socket();
    let publisher = Publisher::bind(&path, None).unwrap();
    let _router = Router::start(&path, None);
    let (one, _) = endpoints();
    publisher.publish(&ready(1, &[&one])).unwrap();
    until("the router is there", || publisher.routers() == 1).await;
    let mut drained = Box::pin(publisher.drained(one.process));
    let first = poll_fn(|cx| Poll::Ready(drained.as_mut().poll(cx))).await;
    assert!(first.is_pending());
    drop(drained);
    publisher.publish(&ready(2, &[])).unwrap();
    soon("the next drain works", publisher.drained(one.process)).await;
}
