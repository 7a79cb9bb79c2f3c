//! Tables that change while requests are under way: none of them fails.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use noon_domain::NoBackend;
use support::{App, Client, House, ok, wait_until};

const GET: &str = "GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n";

#[test]
fn no_request_fails_while_tables_are_swapped_and_processes_replaced() {
    let mut current = App::saying("v0");
    let house = House::with(&[&current]);
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|n| spawn_load(house.addr, n % 2 == 0, is_over.clone()))
        .collect();
    for _ in 0..30 {
        let next = App::saying("next");
        house.route(&[&current, &next]);
        std::thread::sleep(std::time::Duration::from_millis(5));
        house.route(&[&next]);
        let old = std::mem::replace(&mut current, next);
        let process = old.endpoint.process;
        wait_until("the old process is idle", || {
            house.routes.busy(process) == 0
        });
        drop(old);
    }
    is_over.store(true, Ordering::SeqCst);
    let answered: usize = clients.into_iter().map(|c| c.join().unwrap()).sum();
    assert!(answered > 100, "{answered}");
    let lines = house.lines(answered);
    assert_eq!(lines.len(), answered);
    assert!(lines.iter().all(|l| l.starts_with("at=info ")));
}

/// Asks until told to stop, on one connection or on a new one each time. Every answer must be good.
fn spawn_load(
    addr: std::net::SocketAddr,
    keeps: bool,
    is_over: Arc<AtomicBool>,
) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut client = Client::connect(addr);
        let mut answered = 0;
        while !is_over.load(Ordering::SeqCst) {
            if !keeps {
                client = Client::connect(addr);
            }
            client.send(GET);
            let answer = client.answer();
            assert_eq!(answer.status, 200, "{answer:?}");
            answered += 1;
        }
        answered
    })
}

#[test]
fn a_request_in_flight_ends_where_it_is_and_the_next_goes_to_the_new_process() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let old = App::start(move |mut peer, _| {
        while peer.request().is_some() {
            wait.lock().unwrap().recv().unwrap();
            peer.stream.write_all(&ok("old")).unwrap();
        }
    });
    let new = App::saying("new");
    let house = House::with(&[&old]);
    let mut client = house.client();
    client.send(GET);
    wait_until("the request is there", || {
        house.routes.busy(old.endpoint.process) == 1
    });
    house.route(&[&new]);
    assert_eq!(house.get("/").text(), "new");
    go_on.send(()).unwrap();
    assert_eq!(client.answer().text(), "old");
    client.send(GET);
    assert_eq!(client.answer().text(), "new");
}

#[test]
fn parked_connections_to_a_process_that_is_gone_are_closed() {
    let (closed, is_closed) = mpsc::channel::<()>();
    let app = App::start(move |mut peer, _| {
        while peer.request().is_some() {
            peer.stream.write_all(&ok("x")).unwrap();
        }
        let _ = closed.send(());
    });
    let house = House::with(&[&app]);
    assert_eq!(house.get("/").status, 200);
    house.apply(Err(NoBackend::NoProcesses));
    is_closed.recv_timeout(support::PATIENCE).unwrap();
}

#[test]
fn requests_spread_over_all_processes() {
    let apps: Vec<_> = (0..4).map(|_| App::saying("x")).collect();
    let house = House::with(&apps.iter().collect::<Vec<_>>());
    for _ in 0..200 {
        assert_eq!(house.get("/").status, 200);
    }
    assert!(apps.iter().all(|a| a.connections() > 0));
}
