//! Links: what a process of one app reaches of others, and for how long.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use noon_domain::{Address, AppId, Linked, ProcessId};
use noon_router::Limits;
use support::{App, Client, House, HouseSettings, Peer, wait_until};

const ASK: &str = "GET /it HTTP/1.1\r\nHost: demo.internal\r\n\r\n";

/// A router, and a process inside which it listens: here, at an address of this machine.
struct Place {
    house: House,
    process: ProcessId,
    caller: AppId,
    door: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Place {
    fn new() -> Self {
        let door: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let opened = door.clone();
        let limits = Limits {
            unlink: Duration::from_millis(50),
            ..Limits::default()
        };
        let house = House::start(HouseSettings {
            limits,
            listen: Arc::new(move |_| {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                opened.lock().unwrap().push(listener.local_addr()?);
                Ok(listener)
            }),
            ..HouseSettings::default()
        });
        Self {
            house,
            process: ProcessId::new(),
            caller: AppId::new(),
            door,
        }
    }

    /// Follows a table in which the app answers at `demo.test`, and the process is linked to it.
    fn link(&self, app: &App) {
        let table = self.house.table(Ok(vec![app.endpoint.clone()]));
        let demo = table.find("demo.test").unwrap().clone();
        let inside = Address::Tcp(([127, 0, 0, 1], 1).into());
        let linked = Linked {
            app: self.caller,
            app_name: "caller".parse().unwrap(),
            processes: [(self.process, inside)].into(),
            hosts: [("demo.internal".parse().unwrap(), demo)].into(),
        };
        self.house.routes.apply(&table.with_links([linked]));
    }

    fn door(&self) -> SocketAddr {
        wait_until("the router listens inside", || {
            !self.door.lock().unwrap().is_empty()
        });
        self.door.lock().unwrap()[0]
    }
}

#[test]
fn a_linked_process_reaches_the_app_by_its_name_and_the_line_says_from_where() {
    let app = App::echoing();
    let place = Place::new();
    place.link(&app);
    let mut client = Client::connect(place.door());
    client.send(
        "GET /it HTTP/1.1\r\nHost: Demo.Internal\r\nX-Forwarded-For: 192.0.2.7\r\n\
                 X-Forwarded-Proto: https\r\n\r\n",
    );
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    let seen = answer.text();
    assert!(
        seen.contains("X-Forwarded-For: 192.0.2.7, 127.0.0.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("X-Forwarded-Proto: https\r\n"), "{seen}");
    let line = &place.house.lines(1)[0];
    assert!(line.contains("path=\"/it\" host=demo.internal"), "{line}");
    assert!(line.ends_with("protocol=http from=caller"), "{line}");
    client.send("GET / HTTP/1.1\r\nHost: demo.test\r\n\r\n");
    assert_eq!(client.answer().status, 404, "the world's name");
    let mut world = place.house.client();
    world.send(ASK);
    assert_eq!(world.answer().status, 404, "from the world");
}

#[test]
fn one_listener_serves_a_process_through_all_tables_until_it_is_gone() {
    let (first, second) = (App::saying("first"), App::saying("second"));
    let place = Place::new();
    place.link(&first);
    let mut client = Client::connect(place.door());
    client.send(ASK);
    assert_eq!(client.answer().text(), "first");
    place.link(&second);
    client.send(ASK);
    assert_eq!(client.answer().text(), "second");
    assert_eq!(place.door.lock().unwrap().len(), 1, "listened again");
    place.house.route(&[&second]);
    wait_until("nobody listens inside", || {
        TcpStream::connect(place.door()).is_err()
    });
}

#[test]
fn without_its_link_a_request_is_refused_on_a_connection_that_was_open() {
    let app = App::saying("yes");
    let place = Place::new();
    place.link(&app);
    let mut client = Client::connect(place.door());
    client.send(ASK);
    assert_eq!(client.answer().status, 200);
    place.house.route(&[&app]);
    client.send(ASK);
    assert_eq!(client.answer().status, 404);
}

#[test]
fn an_upgraded_connection_ends_with_its_link() {
    let app = App::start(|mut peer: Peer, _| {
        peer.head();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                      Upgrade: websocket\r\n\r\nhi";
        peer.stream.write_all(answer.as_bytes()).unwrap();
        peer.rest();
    });
    let place = Place::new();
    place.link(&app);
    let mut client = Client::connect(place.door());
    client.send(
        "GET /ws HTTP/1.1\r\nHost: demo.internal\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    );
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.peer.exactly(2).unwrap(), b"hi");
    place.link(&app);
    client.send("still there");
    place.house.route(&[&app]);
    assert!(client.is_closed());
    assert!(place.house.lines(1)[0].contains("cause=\"link removed\""));
    wait_until("the app's process is idle", || {
        place.house.routes.busy(app.endpoint.process) == 0
    });
}
