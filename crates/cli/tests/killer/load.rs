//! The load: a few clients, some of which keep their connections, that note how each request went.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many clients there are, and so how many requests at once at most.
pub const CLIENTS: usize = 4;
/// The pause of a client between two requests.
const PAUSE: Duration = Duration::from_millis(25);

/// A request that was not answered with 200.
#[derive(Clone, Debug)]
pub struct Failure {
    pub id: u64,
    pub began: Instant,
    pub ended: Instant,
    pub why: String,
}

/// What came of all requests.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The numbers of those that were answered, and when.
    pub answered: Vec<(u64, Instant)>,
    pub failures: Vec<Failure>,
}

/// The clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    outcome: Arc<Mutex<Outcome>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(port: u16, app: &str) -> Self {
        let (stop, outcome) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let numbers = Arc::new(AtomicU64::new(0));
        let clients = (0..CLIENTS).map(|client| {
            let mut client = Client {
                port,
                host: format!("{app}.localhost"),
                keeps: client % 2 == 0,
                kept: None,
            };
            let (stop, numbers, outcome) = (
                Arc::clone(&stop),
                Arc::clone(&numbers),
                Arc::clone(&outcome),
            );
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    client.turn(numbers.fetch_add(1, Ordering::Relaxed), &outcome);
                    thread::sleep(PAUSE);
                }
            })
        });
        let clients = clients.collect();
        Self {
            stop,
            outcome,
            clients,
        }
    }

    /// Stops, and gives all that came of it.
    pub fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.clients
            .into_iter()
            .for_each(|client| client.join().expect("no client panics"));
        std::mem::take(&mut *self.outcome.lock().expect("no client panicked"))
    }
}

struct Client {
    port: u16,
    host: String,
    keeps: bool,
    kept: Option<TcpStream>,
}

impl Client {
    fn turn(&mut self, id: u64, outcome: &Mutex<Outcome>) {
        let began = Instant::now();
        let asked = self.ask(id);
        let ended = Instant::now();
        let mut outcome = outcome.lock().expect("no client panicked");
        match asked {
            Ok((200, _)) => outcome.answered.push((id, ended)),
            Ok((status, body)) => {
                let why = format!("{status} {}", body.lines().next().unwrap_or_default());
                outcome.failures.push(Failure {
                    id,
                    began,
                    ended,
                    why,
                });
            }
            Err(error) => {
                outcome.failures.push(Failure {
                    id,
                    began,
                    ended,
                    why: error.to_string(),
                });
            }
        }
    }

    fn ask(&mut self, id: u64) -> io::Result<(u16, String)> {
        // A connection that the other side closed meanwhile is not used, as by any client.
        let kept = self.kept.take().filter(is_open);
        let mut stream = match kept {
            Some(stream) => stream,
            None => TcpStream::connect(("127.0.0.1", self.port))?,
        };
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let host = &self.host;
        let ending = if self.keeps {
            ""
        } else {
            "Connection: close\r\n"
        };
        write!(stream, "GET /{id} HTTP/1.1\r\nHost: {host}\r\n{ending}\r\n")?;
        let (head, body) = answer(&mut stream)?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let ends = head.to_ascii_lowercase().contains("connection: close");
        if self.keeps && !ends {
            self.kept = Some(stream);
        }
        Ok((status.ok_or_else(|| io::Error::other("no status"))?, body))
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let looked = stream
        .set_nonblocking(true)
        .and_then(|()| stream.peek(&mut [0]));
    let waits = matches!(looked, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
    waits && stream.set_nonblocking(false).is_ok()
}

fn answer(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = length(head).ok_or_else(|| io::Error::other("no length"))?;
            if body.len() >= length {
                return Ok((head.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut buffer)? {
            0 if bytes.is_empty() => return Err(io::Error::other("closed without an answer")),
            0 => return Err(io::Error::other("closed within an answer")),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn length(head: &str) -> Option<usize> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    found.next()?.1.trim().parse().ok()
}
