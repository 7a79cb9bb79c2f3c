//! A router on real sockets, apps on threads, and a client that writes bytes.
#![expect(dead_code, reason = "each test file uses a part of this")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use noon_domain::{
    Address, AppId, Backend, Endpoint, Hostname, LogLine, NoBackend, ProcessId, RouteTable,
};
use noon_router::{Hooks, Limits, Network, Routes, Settings, serve};
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// So long a test waits for what must come; nothing is asserted of it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that tests can wait for.
pub fn short() -> Limits {
    Limits {
        connect: Duration::from_millis(400),
        first_byte: Duration::from_millis(400),
        idle: Duration::from_millis(600),
        boot: Duration::from_millis(400),
        shutdown: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// A running router.
pub struct House {
    pub addr: SocketAddr,
    pub routes: Routes,
    pub app: AppId,
    lines: Arc<Mutex<Vec<LogLine>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

pub struct HouseSettings {
    pub limits: Limits,
    pub trusted: Vec<Network>,
    pub threads: usize,
    pub routes: Routes,
    pub socket: noon_router::SocketFn,
    pub listen: noon_router::ListenFn,
}

impl Default for HouseSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            trusted: Vec::new(),
            threads: 2,
            routes: Routes::new(),
            socket: Arc::new(|_, _| Err(io::Error::other("no sockets here"))),
            listen: Arc::new(|_| Err(io::Error::other("no links here"))),
        }
    }
}

impl House {
    pub fn start(settings: HouseSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let hooks = Hooks {
            socket: settings.socket,
            listen: settings.listen,
            sink: Arc::new(move |line| kept.lock().unwrap().push(line)),
        };
        let given = Settings {
            threads: settings.threads,
            limits: settings.limits,
            trusted: settings.trusted,
            ..Settings::new(vec![listener])
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = settings.routes.clone();
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            let stop = async { drop(stopped.await) };
            runtime
                .block_on(serve(given, hooks, settings.routes, stop))
                .unwrap();
        });
        Self {
            addr,
            routes,
            app: AppId::new(),
            lines,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A router with Heroku's limits, and one app at `demo.test`.
    pub fn with(apps: &[&App]) -> Self {
        let house = Self::start(HouseSettings::default());
        house.route(apps);
        house
    }

    /// The same, with limits that tests can wait for.
    pub fn hasty(apps: &[&App]) -> Self {
        let limits = short();
        let house = Self::start(HouseSettings {
            limits,
            ..HouseSettings::default()
        });
        house.route(apps);
        house
    }

    pub fn route(&self, apps: &[&App]) {
        self.apply(Ok(apps.iter().map(|a| a.endpoint.clone()).collect()));
    }

    pub fn apply(&self, ready: Result<Vec<Endpoint>, NoBackend>) {
        self.routes.apply(&self.table(ready));
    }

    pub fn table(&self, ready: Result<Vec<Endpoint>, NoBackend>) -> RouteTable {
        table(self.routes.generation() + 1, self.app, ready)
    }

    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// One request on a connection of its own.
    pub fn get(&self, path: &str) -> Answer {
        let mut client = self.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: demo.test\r\n\r\n"));
        client.answer()
    }

    /// The app's log, once it holds so many lines.
    pub fn lines(&self, count: usize) -> Vec<String> {
        wait_until("the app's log has its lines", || {
            self.lines.lock().unwrap().len() >= count
        });
        let lines = self.lines.lock().unwrap();
        assert!(
            lines
                .iter()
                .all(|l| l.app == self.app && l.process == "router")
        );
        lines.iter().map(|l| l.text.clone()).collect()
    }

    pub fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub fn wait_for_end(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the router ended badly");
        }
    }
}

pub fn table(generation: u64, app: AppId, ready: Result<Vec<Endpoint>, NoBackend>) -> RouteTable {
    let host: Hostname = "demo.test".parse().unwrap();
    let app_name = "demo".parse().unwrap();
    RouteTable::new(
        generation,
        [(
            host,
            Arc::new(Backend {
                app,
                app_name,
                ready,
            }),
        )],
    )
}

pub fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint {
        process: ProcessId::new(),
        name: "web.1".parse().unwrap(),
        address: Address::Tcp(address),
    }
}

/// A TCP socket that is not connected yet.
pub fn unconnected(is_v6: bool) -> OwnedFd {
    let runtime = runtime();
    let _inside = runtime.enter();
    let socket = if is_v6 {
        TcpSocket::new_v6()
    } else {
        TcpSocket::new_v4()
    };
    socket.unwrap().as_fd().try_clone_to_owned().unwrap()
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits for something that must come.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An app's process: a server on threads.
pub struct App {
    pub endpoint: Endpoint,
    pub addr: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl App {
    /// Each connection is served by `serve` on a thread of its own, with its number from 0.
    pub fn start(serve: impl Fn(Peer, usize) + Send + Sync + 'static) -> Self {
        Self::try_start_at("127.0.0.1:0", serve).unwrap()
    }

    pub fn try_start_at(
        address: &str,
        serve: impl Fn(Peer, usize) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let addr = listener.local_addr()?;
        let (connections, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, over, serve) = (connections.clone(), is_over.clone(), Arc::new(serve));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let number = count.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                std::thread::spawn(move || serve(Peer::new(stream.unwrap()), number));
            }
        });
        Ok(Self {
            endpoint: endpoint(addr),
            addr,
            connections,
            is_over,
            thread: Some(thread),
        })
    }

    /// Answers every request with bytes, for as long as the connection lasts.
    pub fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |mut peer, _| {
            while let Some(asked) = peer.request() {
                if peer.stream.write_all(&answer(&asked)).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers `200` with this body.
    pub fn saying(body: &'static str) -> Self {
        Self::answering(move |_| ok(body))
    }

    /// Answers with what it was asked: its head and its body, as they came.
    pub fn echoing() -> Self {
        Self::answering(|asked| {
            ok(&format!(
                "{}{}",
                asked.head,
                String::from_utf8_lossy(&asked.body)
            ))
        })
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.addr));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A request as an app got it.
pub struct Asked {
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The app's end of a connection.
pub struct Peer {
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

impl Peer {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let ahead = Vec::new();
        Self { stream, ahead }
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&buffer[..n]);
                true
            }
        }
    }

    pub fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..at + 4).collect();
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    pub fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            if !self.fill() {
                return None;
            }
        }
        Some(self.ahead.drain(..count).collect())
    }

    /// Bytes up to and with these.
    pub fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|w| w == end) {
                return Some(self.ahead.drain(..at + end.len()).collect());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.ahead)
    }

    pub fn request(&mut self) -> Option<Asked> {
        let head = self.head()?;
        let body = if let Some(length) = field(&head, "content-length") {
            self.exactly(length.parse().unwrap())?
        } else if field(&head, "transfer-encoding").is_some() {
            self.until(b"0\r\n\r\n")?
        } else {
            Vec::new()
        };
        Some(Asked { head, body })
    }
}

/// A client that writes bytes.
pub struct Client {
    pub peer: Peer,
}

/// An answer as a client got it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        let peer = Peer::new(TcpStream::connect(addr).unwrap());
        Self { peer }
    }

    pub fn send(&mut self, text: &str) {
        self.peer.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Sends what may not be taken any more.
    pub fn try_send(&mut self, text: &str) {
        let _ = self.peer.stream.write_all(text.as_bytes());
    }

    pub fn half_close(&mut self) {
        self.peer.stream.shutdown(Shutdown::Write).unwrap();
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer(false).expect("an answer")
    }

    pub fn answer_to_head(&mut self) -> Answer {
        self.try_answer(true).expect("an answer")
    }

    pub fn try_answer(&mut self, is_head: bool) -> Option<Answer> {
        let head = self.peer.head()?;
        let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
        let body = if is_head || status < 200 || status == 204 || status == 304 {
            Vec::new()
        } else if let Some(length) = field(&head, "content-length") {
            self.peer.exactly(length.parse().ok()?)?
        } else if field(&head, "transfer-encoding").is_some() {
            self.peer.until(b"0\r\n\r\n")?
        } else {
            self.peer.rest()
        };
        Some(Answer { status, head, body })
    }

    /// Whether the other side closes, with nothing more to say.
    pub fn is_closed(&mut self) -> bool {
        self.peer.rest().is_empty()
    }
}
