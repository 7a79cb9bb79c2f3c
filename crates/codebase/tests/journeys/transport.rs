//! HTTP: who may come in, and the forms in which git sends.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::house::House;
use crate::pusher::Said;
use crate::refusing::noise;

/// Sends a request as it is and reads all that comes.
fn ask(house: &House, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: noon\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// `git:good`.
const GOOD: &str = "Authorization: Basic Z2l0Omdvb2Q=\r\n";

#[test]
fn whoever_shows_nothing_is_asked_for_a_token() {
    let house = House::new();
    let answer = ask(
        &house,
        b"GET /shop.git/info/refs?service=git-receive-pack HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(
        answer
            .to_lowercase()
            .contains("www-authenticate: basic realm=\"noon\""),
        "{answer}"
    );
}

#[test]
fn any_user_name_will_do_and_only_a_good_token_does() {
    let house = House::new();
    let pusher = house.pusher("work");
    let push = |user, app| pusher.run(&format!("push {} main", house.url(user, app)));
    push("git:bad", "shop").says("Authentication failed");
    push("git:weak", "shop")
        .says("you may look only")
        .says("403");
    push("git:good", "nothing")
        .says("there is no app nothing here")
        .says("not found");
    assert_eq!(push("git:bad", "shop").code, Some(128));
    assert_eq!(house.deploys().len(), 0);
    push("ada:good", "shop").ok();
    pusher.git(&format!("push {} main", house.url("heroku:good", "blog")));
    assert_eq!(house.deploys().len(), 2);
}

#[test]
fn credentials_come_from_a_helper_as_well() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.git("config credential.helper !f(){\techo\tusername=git;echo\tpassword=good;};f");
    let url = format!("http://127.0.0.1:{}/shop.git", house.port);
    pusher.git(&format!("push {url} main"));
    assert_eq!(house.deploys().len(), 1);
}

#[test]
fn a_big_push_comes_in_chunks() {
    let house = House::new();
    let pusher = house.pusher("work");
    pusher.commit("noise", noise(5 << 20));
    let mut push = pusher.command("push noon main");
    let said = Said::of(&push.env("GIT_CURL_VERBOSE", "1").output().unwrap()).ok();
    said.says("Transfer-Encoding: chunked").says("Released v5");
    let mut small =
        pusher.command("-c http.postBuffer=1000 -c http.version=HTTP/1.1 push noon main:side");
    small.env("GIT_CURL_VERBOSE", "1");
    Said::of(&small.output().unwrap()).ok();
}

#[test]
fn the_probe_before_a_big_push_is_answered() {
    let house = House::new();
    let answer = ask(&house, &post("shop.git/git-receive-pack", GOOD, b"0000"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("application/x-git-receive-pack-result"),
        "{answer}"
    );
}

#[test]
fn whoever_expects_100_continue_gets_it() {
    let house = House::new();
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).unwrap();
    let request = post(
        "shop.git/git-receive-pack",
        &format!("{GOOD}Expect: 100-continue\r\n"),
        b"0000",
    );
    let (head, body) = request.split_at(request.len() - 4);
    stream.write_all(head).unwrap();
    let mut go = [0; 25];
    stream.read_exact(&mut go).unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_gzipped_request_is_inflated() {
    let house = House::new();
    let pusher = house.pusher("work");
    let old = "0".repeat(40);
    let command = format!(
        "{old} {} refs/heads/main\0 report-status side-band-64k agent=test",
        pusher.head()
    );
    let mut body = format!("{:04x}{command}0000", command.len() + 4).into_bytes();
    let mut pack = pusher.command("pack-objects --stdout --all --quiet");
    body.extend(pack.output().unwrap().stdout);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&body).unwrap();
    let headers = format!("{GOOD}Content-Encoding: gzip\r\n");
    let answer = ask(
        &house,
        &post(
            "shop.git/git-receive-pack",
            &headers,
            &gzip.finish().unwrap(),
        ),
    );
    assert!(
        answer.contains("Released v5") && answer.contains("unpack ok"),
        "{answer}"
    );
    assert_eq!(house.deploys()[0].commit, pusher.head());
}

#[test]
fn whoever_may_not_push_learns_it_after_sending() {
    let house = House::new();
    let bad = "Authorization: Basic Z2l0OmJhZA==\r\n";
    let answer = ask(
        &house,
        &post("shop.git/git-receive-pack", bad, &vec![b'0'; 900 << 10]),
    );
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("that token is not valid here"), "{answer}");
}

#[test]
fn names_that_lead_out_of_the_repositories_lead_nowhere() {
    let house = House::new();
    for path in [
        "..%2Fshop.git",
        "shop",
        "%2e%2e",
        "shop.git%2F..",
        "sh%00op.git",
    ] {
        let request = format!(
            "GET /{path}/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{GOOD}\r\n"
        );
        let answer = ask(&house, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
    }
}
