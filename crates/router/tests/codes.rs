//! Every way in which a request fails: its page, its status, its line in the log.

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use noon_domain::NoBackend;
use support::{Answer, App, House, HouseSettings, endpoint, ok, short};

const GET: &str = "GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n";

fn assert_line(house: &House, start: &str, end: &str) {
    let lines = house.lines(1);
    assert!(
        lines[0].starts_with(start),
        "{lines:?} does not start with {start}"
    );
    assert!(lines[0].contains(end), "{lines:?} has no {end}");
    assert_eq!(lines.len(), 1, "{lines:?}");
}

fn assert_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert!(answer.text().contains("<h1>"), "{answer:?}");
}

/// An app that reads a request, writes this and closes.
fn blurting(bytes: &'static [u8]) -> App {
    App::start(move |mut peer, _| {
        peer.head();
        let _ = peer.stream.write_all(bytes);
    })
}

#[test]
fn an_app_without_a_process_answers_with_its_code() {
    for (why, start, page) in [
        (
            NoBackend::Crashed,
            "at=error code=H10 desc=\"App crashed\"",
            "Application error",
        ),
        (
            NoBackend::NoProcesses,
            "at=error code=H14 desc=\"No web processes running\"",
            "No web process",
        ),
        (
            NoBackend::Booting,
            "at=error code=H20 desc=\"App boot timeout\"",
            "Still starting",
        ),
        (
            NoBackend::Maintenance,
            "at=info code=H80 desc=\"Maintenance mode\"",
            "maintenance",
        ),
        (
            NoBackend::Blank,
            "at=info code=H81 desc=\"Blank app\"",
            "Nothing here yet",
        ),
    ] {
        let house = House::hasty(&[]);
        house.apply(Err(why));
        let answer = house.get("/");
        assert_page(&answer, 503);
        assert!(answer.text().contains(page), "{why:?}: {answer:?}");
        assert_line(&house, start, " dyno= connect= service= status=503 bytes=");
    }
}

#[test]
fn a_host_of_no_app_gets_a_page_and_leaves_no_line() {
    let house = House::with(&[]);
    let mut client = house.client();
    client.send("GET / HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert_page(&client.answer(), 404);
    client.send(GET);
    assert_page(&client.answer(), 503);
    assert_line(&house, "at=error code=H14", "host=demo.test");
}

#[test]
fn a_page_is_text_for_those_who_take_no_html() {
    let house = House::with(&[]);
    let mut client = house.client();
    client.send("GET / HTTP/1.1\r\nHost: demo.test\r\nAccept: application/json\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    client.send("HEAD / HTTP/1.1\r\nHost: demo.test\r\n\r\n");
    assert_eq!(client.answer_to_head().status, 503);
    client.send(GET);
    assert_eq!(client.answer().status, 503);
}

#[test]
fn a_request_to_a_booting_app_waits_until_it_is_up() {
    let house = House::with(&[]);
    house.apply(Err(NoBackend::Booting));
    let mut client = house.client();
    client.send(GET);
    std::thread::sleep(Duration::from_millis(50));
    let app = App::saying("up");
    house.route(&[&app]);
    assert_eq!(client.answer().text(), "up");
}

#[test]
fn a_silent_app_is_h12() {
    let app = App::start(|mut peer, _| drop(peer.rest()));
    let house = House::hasty(&[&app]);
    assert_page(&house.get("/"), 503);
    assert_line(
        &house,
        "at=error code=H12 desc=\"Request timeout\"",
        "dyno=web.1",
    );
}

#[test]
fn an_app_that_closes_without_a_word_is_h13() {
    let app = blurting(b"");
    let house = House::with(&[&app]);
    assert_page(&house.get("/"), 503);
    assert_line(
        &house,
        "at=error code=H13 desc=\"Connection closed without response\"",
        "status=503",
    );
}

#[test]
fn an_app_that_falls_silent_is_h15() {
    let app = App::start(|mut peer, _| {
        peer.head();
        peer.stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            .unwrap();
        peer.rest();
    });
    let house = House::hasty(&[&app]);
    let mut client = house.client();
    client.send(GET);
    let all = String::from_utf8(client.peer.rest()).unwrap();
    assert!(all.ends_with("\r\n\r\nabc"), "{all}");
    assert_line(
        &house,
        "at=error code=H15 desc=\"Idle connection\"",
        "status=503 bytes=3",
    );
}

#[test]
fn poor_answers_are_h17_and_h25() {
    for (bytes, status, start) in [
        (
            &b"hello there\r\n\r\n"[..],
            503,
            "at=error code=H17 desc=\"Poorly formatted HTTP response\"",
        ),
        (
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            503,
            "at=error code=H17",
        ),
        (b"HTTP/1.1 101 Switching\r\n\r\n", 503, "at=error code=H17"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            503,
            "at=error code=H17",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            502,
            "at=error code=H25 desc=\"HTTP Restriction\"",
        ),
    ] {
        let app = blurting(bytes);
        let house = House::with(&[&app]);
        assert_page(&house.get("/"), status);
        assert_line(&house, start, &format!("status={status}"));
    }
}

#[test]
fn an_app_that_breaks_off_is_h18_and_the_client_sees_it() {
    for (bytes, seen) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"[..],
            "\r\n\r\nabc",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "\r\n\r\n3\r\nabc\r\n",
        ),
        (b"HTTP/1.1 200 OK\r\nConte", "</html>\n"),
    ] {
        let app = blurting(bytes);
        let house = House::with(&[&app]);
        let mut client = house.client();
        client.send("GET / HTTP/1.1\r\nHost: demo.test\r\nConnection: close\r\n\r\n");
        let all = String::from_utf8(client.peer.rest()).unwrap();
        assert!(all.ends_with(seen), "{all}");
        let start = "at=error code=H18 desc=\"Server Request Interrupted\" sock=backend";
        assert_line(&house, start, "status=503");
    }
}

#[test]
fn a_bad_chunk_from_the_app_is_h17() {
    let app = blurting(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n");
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(GET);
    let all = String::from_utf8(client.peer.rest()).unwrap();
    assert!(!all.contains("zzz"), "{all}");
    assert_line(&house, "at=error code=H17", "status=503");
}

#[test]
fn nobody_listening_is_h21_and_another_process_is_tried_first() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let house = House::with(&[]);
    house.apply(Ok(vec![endpoint(gone)]));
    assert_page(&house.get("/"), 503);
    assert_line(
        &house,
        "at=error code=H21 desc=\"Backend connection refused\"",
        "dyno=web.1",
    );

    let app = App::saying("other");
    let house = House::with(&[]);
    house.apply(Ok(vec![
        endpoint(gone),
        app.endpoint.clone(),
        endpoint(gone),
    ]));
    for _ in 0..20 {
        assert_eq!(house.get("/").text(), "other");
    }
}

#[test]
fn a_process_that_does_not_accept_is_h19() {
    // A full accept queue: further connections are neither taken nor refused.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut fill = Vec::new();
    let wait = Duration::from_millis(50);
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&addr, wait) {
        fill.push(stream);
        assert!(fill.len() < 10_000, "the queue has no end");
    }
    let house = House::hasty(&[]);
    house.apply(Ok(vec![endpoint(addr)]));
    assert_page(&house.get("/"), 503);
    assert_line(
        &house,
        "at=error code=H19 desc=\"Backend connection timeout\"",
        "status=503",
    );
}

#[test]
fn a_client_that_leaves_is_h27() {
    let app = App::start(|mut peer, _| drop(peer.request()));
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 10\r\n\r\nabc");
    drop(client);
    let start = "at=warning code=H27 desc=\"Client Request Interrupted\" sock=client";
    assert_line(&house, start, "status=499");
}

#[test]
fn a_client_that_does_not_read_its_answer_and_leaves_is_h27() {
    let app = App::start(|mut peer, _| {
        peer.head();
        let _ = peer.stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while peer.stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(GET);
    client.peer.head();
    drop(client);
    assert_line(&house, "at=warning code=H27", "status=499");
}

#[test]
fn a_client_that_falls_silent_is_h28() {
    let app = App::start(|mut peer, _| drop(peer.rest()));
    let house = House::hasty(&[&app]);
    let mut client = house.client();
    client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 10\r\n\r\nabc");
    assert!(client.is_closed());
    let start = "at=warning code=H28 desc=\"Client Connection Idle\" sock=client";
    assert_line(&house, start, "status=499");
}

#[test]
fn a_refused_request_is_h26_with_its_cause_and_reaches_no_app() {
    let bad_chunk =
        "POST / HTTP/1.1\r\nHost: demo.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    for (request, status, cause) in [
        ("GET / HTTP/1.1\nHost: demo.test\n\n", 400, None),
        (
            "GET / HTTP/1.1\r\nHost: demo.test\r\n folded\r\n\r\n",
            400,
            Some("bad field name"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: demo.test\r\nHost: demo.test\r\n\r\n",
            400,
            Some("more than one host"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            Some("content-length and transfer-encoding"),
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: demo.test\r\n\r\n",
            400,
            Some("method not offered"),
        ),
        (
            "GET / HTTP/1.1\r\nHost: demo.test\r\nExpect: x\r\n\r\n",
            417,
            Some("unsupported expect"),
        ),
        ("GET / HTTP/1.1\r\nFoo: x\r\n\r\n", 400, None),
        (bad_chunk, 400, Some("bad chunk")),
    ] {
        let app = App::start(|mut peer, _| {
            if peer.request().is_some() {
                let _ = peer.stream.write_all(&ok("reached"));
            }
        });
        let house = House::with(&[&app]);
        let mut client = house.client();
        client.send(request);
        assert_page(&client.answer(), status);
        assert!(client.is_closed(), "{request}");
        if let Some(cause) = cause {
            let start = format!("at=error code=H26 desc=\"Request Error\" cause=\"{cause}\"");
            assert_line(&house, &start, &format!("status={status}"));
        }
    }
}

#[test]
fn a_head_that_has_no_end_is_431_and_one_that_is_too_slow_408() {
    let house = House::with(&[]);
    let mut client = house.client();
    client.try_send(&format!(
        "GET / HTTP/1.1\r\nHost: demo.test\r\n{}",
        "A: b\r\n".repeat(20_000)
    ));
    assert_eq!(client.answer().status, 431);

    let limits = noon_router::Limits {
        head: Duration::from_millis(100),
        ..short()
    };
    let house = House::start(HouseSettings {
        limits,
        ..HouseSettings::default()
    });
    let mut client = house.client();
    client.send("GET / HT");
    assert_eq!(client.answer().status, 408);
}

#[test]
fn an_app_s_endless_head_is_cut_off_and_the_next_app_is_served() {
    for (head, more) in [
        ("HTTP/1.1 200 OK\r\nX-Long: ", "x".repeat(1 << 16)),
        ("HTTP/1.1 200 OK\r\n", "X-Many: y\r\n".repeat(5000)),
    ] {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let app = App::start(move |mut peer, _| {
            peer.head();
            let _ = peer.stream.write_all(head.as_bytes());
            // A quarter of a gigabyte, were it taken.
            for _ in 0..4096 {
                if peer.stream.write_all(more.as_bytes()).is_err() {
                    return;
                }
                count.fetch_add(more.len(), Ordering::SeqCst);
            }
        });
        let house = House::with(&[&app]);
        let answer = house.get("/");
        assert!(answer.status >= 500, "{answer:?}");
        let next = App::saying("next");
        house.route(&[&next]);
        assert_eq!(house.get("/").text(), "next");
        // What the router takes, and what the kernel holds on the way.
        let taken = taken.load(Ordering::SeqCst);
        assert!(taken < 64 << 20, "{taken} bytes were taken");
    }
}
