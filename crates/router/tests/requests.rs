//! Requests that go well, on real sockets.

mod support;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use noon_domain::{Address, Endpoint};
use noon_router::SocketFn;
use support::{App, Asked, Client, House, HouseSettings, ok};

const GET: &str = "GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n";

#[test]
fn a_request_reaches_the_app_and_its_answer_the_client() {
    let app = App::saying("hello");
    let house = House::with(&[&app]);
    let answer = house.get("/a?b");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.field("via"), Some("1.1 noon"));
    let lines = house.lines(1);
    assert!(
        lines[0].starts_with("at=info method=GET path=\"/a?b\" host=demo.test request_id="),
        "{lines:?}"
    );
    assert!(
        lines[0].contains(" fwd=\"127.0.0.1\" dyno=web.1 connect="),
        "{lines:?}"
    );
    assert!(
        lines[0].ends_with("ms status=200 bytes=5 protocol=http"),
        "{lines:?}"
    );
}

#[test]
fn an_app_is_told_of_the_client_and_forged_fields_do_not_reach_it() {
    let app = App::echoing();
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: demo.test\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
         X_Forwarded_Proto: https\r\nX-Forwarded-Host: evil\r\nX-Request-Id: 01234567890123456789\r\n\
         Connection: X-Drop\r\nX-Drop: 1\r\nVia: 1.0 other\r\n\r\n",
    );
    let answer = client.answer();
    let asked = Asked {
        head: answer.text(),
        body: Vec::new(),
    };
    assert_eq!(asked.field("x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(asked.field("x-forwarded-proto"), Some("http"));
    assert_eq!(
        asked.field("x-forwarded-port"),
        Some(house.addr.port().to_string().as_str())
    );
    assert_eq!(asked.field("x-request-id"), Some("01234567890123456789"));
    assert!(
        asked
            .field("x-request-start")
            .is_some_and(|ms| ms.len() == 13)
    );
    let text = asked.head;
    assert!(
        !text.contains("https") && !text.contains("evil") && !text.contains("X-Drop"),
        "{text}"
    );
    assert!(
        text.contains("Via: 1.0 other\r\n") && text.contains("Via: 1.1 noon\r\n"),
        "{text}"
    );
    assert!(
        house.lines(1)[0].contains("request_id=01234567890123456789 fwd=\"9.9.9.9, 127.0.0.1\"")
    );
}

#[test]
fn a_trusted_proxy_is_believed() {
    let app = App::echoing();
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let house = House::start(HouseSettings {
        trusted,
        ..HouseSettings::default()
    });
    house.route(&[&app]);
    let mut client = house.client();
    client.send("GET / HTTP/1.1\r\nHost: demo.test\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert!(
        client
            .answer()
            .text()
            .contains("X-Forwarded-Proto: https\r\n")
    );
}

#[test]
fn one_connection_serves_many_requests_on_both_sides() {
    let app = App::saying("hello");
    let house = House::start(HouseSettings {
        threads: 1,
        ..HouseSettings::default()
    });
    house.route(&[&app]);
    let mut client = house.client();
    for _ in 0..20 {
        client.send(GET);
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!((app.connections(), house.lines(20).len()), (1, 20));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let app = App::answering(|asked| ok(asked.head.split(' ').nth(1).unwrap()));
    let house = House::with(&[&app]);
    let mut client = house.client();
    let one = |n: usize| match n % 2 {
        0 => format!("GET /{n} HTTP/1.1\r\nHost: demo.test\r\n\r\n"),
        _ => format!("POST /{n} HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 3\r\n\r\nabc\r\n"),
    };
    client.send(&(0..10).map(one).collect::<String>());
    for n in 0..10 {
        assert_eq!(client.answer().text(), format!("/{n}"));
    }
}

#[test]
fn bodies_pass_as_they_came() {
    let app = App::echoing();
    let house = House::with(&[&app]);
    let mut client = house.client();
    for (framing, body) in [
        ("Content-Length: 5", "abcde"),
        ("Transfer-Encoding: chunked", "3;x=y\r\nabc\r\n0\r\n\r\n"),
        ("Content-Length: 0", ""),
    ] {
        client.send(&format!(
            "POST / HTTP/1.1\r\nHost: demo.test\r\n{framing}\r\n\r\n{body}"
        ));
        let answer = client.answer();
        assert!(
            answer.text().ends_with(&format!("\r\n\r\n{body}")),
            "{answer:?}"
        );
        assert!(answer.text().contains(framing), "{answer:?}");
    }
}

#[test]
fn trailers_pass_both_ways() {
    let app = App::start(|mut peer, _| {
        let head = peer.head().unwrap();
        assert!(head.contains("Trailer: X-Sum"));
        let body = peer.until(b"\r\n\r\n").unwrap();
        assert_eq!(body, b"3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n");
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n";
        peer.stream.write_all(answer).unwrap();
        peer.head();
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n");
    client.peer.head().unwrap();
    assert_eq!(
        client.peer.until(b"\r\n\r\n").unwrap(),
        b"2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
    );
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    let app = App::answering(|asked| {
        let path = asked.head.split(' ').nth(1).unwrap();
        match path {
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n".to_vec(),
            "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".to_vec(),
            _ => ok("last"),
        }
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    for (method, path, status) in [
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("HEAD", "/head", 200),
    ] {
        client.send(&format!(
            "{method} {path} HTTP/1.1\r\nHost: demo.test\r\n\r\n"
        ));
        assert_eq!(client.answer_to_head().status, status);
    }
    client.send(GET);
    assert_eq!(client.answer().text(), "last");
}

#[test]
fn a_body_until_close_ends_both_connections() {
    let app = App::start(|mut peer, _| {
        peer.head();
        peer.stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
            .unwrap();
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(GET);
    let answer = client.answer();
    assert_eq!(
        (answer.text().as_str(), answer.field("connection")),
        ("until the end", Some("close"))
    );
}

#[test]
fn http_1_0_gets_a_whole_answer_and_a_close() {
    let app = App::answering(|asked| {
        assert!(
            asked.head.starts_with("GET / HTTP/1.0\r\n"),
            "{}",
            asked.head
        );
        ok("old")
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send("GET / HTTP/1.0\r\nHost: demo.test\r\n\r\n");
    let answer = client.answer();
    assert_eq!(
        (answer.text().as_str(), answer.field("connection")),
        ("old", Some("close"))
    );
    assert!(client.is_closed());
}

#[test]
fn a_client_that_asks_for_it_is_told_to_go_on_and_gets_a_close() {
    let app = App::echoing();
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    client.send("ab");
    let answer = client.answer();
    assert!(answer.text().ends_with("\r\n\r\nab") && !answer.text().contains("Expect"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn early_hints_pass_and_the_apps_own_continue_does_not() {
    let app = App::start(|mut peer, _| {
        peer.head();
        let hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        peer.stream.write_all(hints).unwrap();
        peer.stream.write_all(&ok("then")).unwrap();
        peer.head();
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(GET);
    let hints = client.answer();
    assert_eq!((hints.status, hints.field("link")), (103, Some("</a>")));
    assert_eq!(client.answer().text(), "then");
}

#[test]
fn a_client_that_closed_its_half_still_gets_its_answer() {
    let app = App::saying("still");
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(GET);
    client.half_close();
    assert_eq!(client.answer().text(), "still");
    assert!(client.is_closed());
}

#[test]
fn an_address_in_a_namespace_is_reached_by_the_sockets_that_the_hook_makes() {
    let app = App::saying("inside");
    let (asked, socket) = counting_sockets();
    let house = House::start(HouseSettings {
        socket,
        ..HouseSettings::default()
    });
    house.apply(Ok(vec![inside(&app)]));
    assert_eq!(house.get("/").text(), "inside");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn an_app_that_listens_on_ipv6_only_is_reached_too() {
    let Ok(app) = App::try_start_at("[::1]:0", |mut peer, _| {
        if peer.request().is_some() {
            peer.stream.write_all(&ok("six")).unwrap();
        }
    }) else {
        return eprintln!("skipped: this machine has no IPv6 loopback");
    };
    let (asked, socket) = counting_sockets();
    let house = House::start(HouseSettings {
        socket,
        ..HouseSettings::default()
    });
    house.apply(Ok(vec![inside(&app)]));
    assert_eq!(house.get("/").text(), "six");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

fn inside(app: &App) -> Endpoint {
    let address = Address::Namespace {
        shim: "/nowhere".into(),
        port: app.addr.port(),
    };
    Endpoint {
        address,
        ..app.endpoint.clone()
    }
}

fn counting_sockets() -> (Arc<AtomicUsize>, SocketFn) {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = count.clone();
    let socket = move |address: &Address, is_v6: bool| {
        assert!(matches!(address, Address::Namespace { .. }));
        count.fetch_add(1, Ordering::SeqCst);
        Ok(support::unconnected(is_v6))
    };
    (asked, Arc::new(socket))
}

#[test]
fn a_parked_connection_that_the_app_closed_costs_no_request() {
    // Each connection answers once and is closed without a word about it.
    let app = App::start(|mut peer, _| {
        if peer.request().is_some() {
            peer.stream.write_all(&ok("once")).unwrap();
        }
    });
    let house = House::start(HouseSettings {
        threads: 1,
        ..HouseSettings::default()
    });
    house.route(&[&app]);
    let mut client = house.client();
    for _ in 0..30 {
        client.send(GET);
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_request_that_met_a_stale_connection_is_sent_once_more() {
    // The first connection takes a second request and closes without answering it.
    let app = App::start(|mut peer, number| {
        let mut served = 0;
        while peer.request().is_some() {
            if number == 0 && served == 1 {
                return;
            }
            peer.stream.write_all(&ok("yes")).unwrap();
            served += 1;
        }
    });
    let house = House::start(HouseSettings {
        threads: 1,
        ..HouseSettings::default()
    });
    house.route(&[&app]);
    let mut client = house.client();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.answer().text(), "yes");
    }
    assert_eq!(app.connections(), 2);
    assert_eq!(house.lines(2).len(), 2);
}

#[test]
fn an_unwanted_body_is_let_go_and_only_the_clients_connection_kept() {
    let app = App::start(|mut peer, _| {
        while let Some(head) = peer.head() {
            let line = head.lines().next().unwrap();
            let _ = peer.stream.write_all(&ok(line));
        }
    });
    let house = House::start(HouseSettings {
        threads: 1,
        ..HouseSettings::default()
    });
    house.route(&[&app]);
    let mut client = Client::connect(house.addr);
    client.send("POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.answer().text(), "POST / HTTP/1.1");
    client.send("late");
    client.send(GET);
    assert_eq!(client.answer().text(), "GET / HTTP/1.1");
    assert_eq!(app.connections(), 2);
}

#[test]
fn a_request_that_comes_with_the_last_bytes_of_a_body_is_not_lost() {
    let (seen, is_seen) = mpsc::channel();
    let app = App::start(move |mut peer, _| {
        while peer.head().is_some_and(|h| h.starts_with("POST")) {
            seen.send(()).unwrap();
            let body = String::from_utf8(peer.exactly(4).unwrap()).unwrap();
            peer.stream.write_all(&ok(&body)).unwrap();
        }
    });
    let house = House::with(&[&app]);
    let mut client = house.client();
    let head = "POST / HTTP/1.1\r\nHost: demo.test\r\nContent-Length: 4\r\n\r\n";
    client.send(head);
    is_seen.recv().unwrap();
    client.send(&format!("body{head}next"));
    assert_eq!(
        (client.answer().text(), client.answer().text()),
        ("body".into(), "next".into())
    );
}

#[test]
fn a_refusal_is_not_overtaken_by_a_reset() {
    let house = House::with(&[]);
    for _ in 0..10 {
        let mut client = house.client();
        client.send(&format!("nonsense\r\n\r\n{}", "x".repeat(100_000)));
        client.half_close();
        let mut answer = Vec::new();
        client.peer.stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    }
}

#[test]
fn requests_that_came_before_a_half_close_are_all_answered() {
    let app = App::answering(|asked| ok(asked.head.split(' ').nth(1).unwrap()));
    let house = House::with(&[&app]);
    let mut client = house.client();
    client.send(&format!("{GET}{GET}{GET}"));
    client.half_close();
    for _ in 0..3 {
        assert_eq!(client.answer().text(), "/");
    }
    assert!(client.is_closed());
}

#[test]
fn garbage_of_any_kind_does_not_stop_the_router() {
    let app = App::saying("alive");
    let house = House::with(&[&app]);
    for seed in 0..200_u32 {
        let mut state = seed.wrapping_mul(2_654_435_761) | 1;
        let mut bytes = Vec::new();
        for _ in 0..seed * 7 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            bytes.push(if seed % 2 == 0 {
                state as u8
            } else {
                b"GET /:\r\n 1."[state as usize % 11]
            });
        }
        let _ = house.client().peer.stream.write_all(&bytes);
    }
    assert_eq!(house.get("/").text(), "alive");
}
