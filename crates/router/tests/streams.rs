//! Bodies that flow: both ways at once, without an end, and after an upgrade.

mod support;

use std::io::Write;
use std::sync::mpsc;

use support::{App, House, HouseSettings, Peer, ok, wait_until};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: demo.test\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

/// Accepts an upgrade, then sends back what comes until the other side closes.
fn echo_after_upgrade(mut peer: Peer, _: usize) {
    let head = peer.head().expect("a request");
    assert!(
        head.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        "{head}"
    );
    let answer =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhi";
    peer.stream.write_all(answer.as_bytes()).expect("a reader");
    while let Some(byte) = peer.exactly(1) {
        peer.stream.write_all(&byte).expect("a reader");
    }
    peer.stream.write_all(b"bye").expect("a reader");
}

#[test]
fn request_and_response_flow_at_the_same_time() {
    // Each piece of the request is answered before the next is sent.
    let app = App::start(|mut peer, _| {
        peer.head();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        peer.stream.write_all(head).unwrap();
        for _ in 0..5 {
            assert_eq!(peer.until(b"?\r\n").unwrap(), b"1\r\n?\r\n");
            peer.stream.write_all(b"1\r\n!\r\n").unwrap();
        }
        assert_eq!(peer.exactly(5).unwrap(), b"0\r\n\r\n");
        peer.stream.write_all(b"0\r\n\r\n").unwrap();
        peer.head();
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.peer.head().unwrap();
    for _ in 0..5 {
        client.send("1\r\n?\r\n");
        assert_eq!(client.peer.exactly(6).unwrap(), b"1\r\n!\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.peer.exactly(5).unwrap(), b"0\r\n\r\n");
    assert!(house.lines(1)[0].ends_with("status=200 bytes=35 protocol=http"));
}

#[test]
fn large_bodies_pass_both_ways_at_once_without_a_deadlock() {
    const SIZE: usize = 20 * 1024 * 1024;
    let app = App::start(|mut peer, _| {
        peer.head();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        peer.stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..SIZE / 1024 {
            let piece = peer.exactly(1024).unwrap();
            peer.stream.write_all(&piece).unwrap();
        }
        peer.head();
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(&format!(
        "POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    let mut writer = client.peer.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for n in 0..SIZE / 1024 {
            writer.write_all(&[(n % 251) as u8; 1024]).unwrap();
        }
    });
    let answer = client.answer();
    sending.join().unwrap();
    let right = |(n, piece): (usize, &[u8])| piece.iter().all(|b| *b == (n % 251) as u8);
    assert!(answer.body.len() == SIZE && answer.body.chunks(1024).enumerate().all(right));
    assert!(house.lines(1)[0].contains(&format!("status=200 bytes={SIZE}")));
}

#[test]
fn events_arrive_one_by_one() {
    let (more, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let app = App::start(move |mut peer, _| {
        peer.head();
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        peer.stream.write_all(head).unwrap();
        for n in 0..3 {
            peer.stream
                .write_all(format!("data: {n}\n\n").as_bytes())
                .unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send("GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n");
    client.peer.head().unwrap();
    for n in 0..3 {
        assert_eq!(
            client.peer.until(b"\n\n").unwrap(),
            format!("data: {n}\n\n").into_bytes()
        );
        more.send(()).unwrap();
    }
    assert!(client.is_closed());
}

#[test]
fn an_answer_that_comes_before_the_body_reaches_the_client() {
    let app = App::start(|mut peer, _| {
        peer.head();
        let _ = peer.stream.write_all(
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!",
        );
    });
    let house = House::with(&[&app]);
    for _ in 0..20 {
        let mut client = house.client();
        client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 1000000\r\n\r\n");
        client.try_send(&"x".repeat(500_000));
        let answer = client.answer();
        assert_eq!((answer.status, answer.text().as_str()), (413, "no!"));
    }
}

#[test]
fn an_upgraded_connection_carries_raw_bytes_both_ways_and_closes_half_by_half() {
    let app = App::start(echo_after_upgrade);
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(UPGRADE);
    client.send("early");
    let head = client.peer.head().unwrap();
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(
        head.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        "{head}"
    );
    assert_eq!(client.peer.exactly(7).unwrap(), b"hiearly");
    for _ in 0..10 {
        client.send("\x00\r\n\x7f");
        assert_eq!(client.peer.exactly(4).unwrap(), b"\x00\r\n\x7f");
    }
    assert_eq!(house.routes.busy(app.endpoint.process), 1);
    client.half_close();
    assert_eq!(client.peer.rest(), b"bye");
    assert!(
        house.lines(1)[0].contains("status=101 bytes=50 "),
        "{:?}",
        house.lines(1)
    );
    wait_until("the process is idle", || {
        house.routes.busy(app.endpoint.process) == 0
    });
}

#[test]
fn an_app_may_decline_an_upgrade_and_nothing_slips_through_behind_it() {
    let app = App::answering(|asked| {
        assert!(!asked.head.contains("/hidden"), "{}", asked.head);
        ok("no")
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(UPGRADE);
    client.send("GET /hidden HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert_eq!(client.answer().text(), "no");
    assert_eq!(client.answer().status, 404);
}

#[test]
fn an_upgraded_connection_that_falls_silent_is_h15() {
    let app = App::start(echo_after_upgrade);
    let house = House::hasty(&[&app]);
    let mut client = house.client();
    client.send(UPGRADE);
    client.peer.head().unwrap();
    assert_eq!(client.peer.rest(), b"hi");
    assert!(house.lines(1)[0].starts_with("at=error code=H15"));
}

#[test]
fn the_last_requests_end_and_new_ones_are_not_taken_when_the_router_stops() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let (begun, has_begun) = mpsc::channel::<()>();
    let app = App::start(move |mut peer, _| {
        while peer.request().is_some() {
            begun.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
            peer.stream.write_all(&ok("done")).unwrap();
        }
    });
    let mut house = House::start(HouseSettings::default());
    house.route(&[&app]);
    let mut idle = house.client();
    let mut busy = house.client();
    busy.send("GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n");
    has_begun.recv().unwrap();
    house.tell_to_stop();
    assert!(idle.is_closed());
    go_on.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!(
        (answer.text().as_str(), answer.field("connection")),
        ("done", Some("close"))
    );
    assert!(busy.is_closed());
    house.wait_for_end();
}
