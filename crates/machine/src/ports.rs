//! Ports: whether a process answers on the one it was given, and which others it opened.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use noon_domain::HealthCheck;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The `$PORT` of every process that has a network of its own.
pub const PORT: u16 = 5000;
/// How long one question to a port may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// The first pause between two questions; it grows by half each time.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between two questions of a health check while a process starts.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What a process is asked to see whether it answers: any answer will do, an error too.
const QUESTION: &[u8] = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\
    User-Agent: noon (is it ready?)\r\nConnection: close\r\n\r\n";
/// How long a process that took a connection may think before it counts as ready anyway.
const SILENCE: Duration = Duration::from_secs(5);
/// So often a process may hang up on the question before it counts as ready: no HTTP then.
const MOST_HANG_UPS: u32 = 40;

/// How a health check was not answered as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwell {
    /// Nothing listens.
    Refused,
    /// The connection was closed before an answer.
    HungUp,
    /// No answer in so many seconds.
    Silent(u64),
    /// What came is no HTTP.
    NoHttp,
    /// An answer with this status.
    Status(u16),
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("it refused the connection"),
            Self::HungUp => f.write_str("it hung up without an answer"),
            Self::Silent(1) => f.write_str("it did not answer within 1 second"),
            Self::Silent(seconds) => write!(f, "it did not answer within {seconds} seconds"),
            Self::NoHttp => f.write_str("its answer is not HTTP"),
            Self::Status(status) => write!(f, "it answered with status {status}"),
        }
    }
}

/// What came of asking a port.
enum Answer {
    Some,
    HungUp,
    Refused,
}

/// A port, and the network in which it is.
#[derive(Clone, Debug)]
pub struct Target {
    /// The network namespace; `None` is this machine's.
    pub netns: Option<Arc<OwnedFd>>,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Resolves when the port answers: it takes a connection, and what listens there says
    /// something to a request. A server's parent may listen long before any of its workers can
    /// answer, or before they all fail to start. What takes connections and stays silent, or does
    /// not speak HTTP, counts as ready after a while.
    pub async fn answers_at_last(self) {
        let mut pause = FIRST_PAUSE;
        let mut hang_ups = 0;
        loop {
            match self.asked().await {
                Answer::Some => return,
                Answer::HungUp if hang_ups == MOST_HANG_UPS => return,
                Answer::HungUp => hang_ups += 1,
                Answer::Refused => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause + pause / 2).min(LONGEST_PAUSE);
        }
    }

    /// Resolves when the health check is answered well. Tells `seen` of every other answer.
    pub async fn well_at_last(self, check: HealthCheck, seen: Arc<Mutex<Option<Unwell>>>) {
        let mut pause = FIRST_PAUSE;
        while let Err(unwell) = self.is_well(&check).await {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(unwell);
            tokio::time::sleep(pause).await;
            pause = (pause + pause / 2).min(check.wait()).min(LONGEST_WAIT);
        }
    }

    /// Asks a health check once: 2xx and 3xx are well.
    ///
    /// # Errors
    /// Whatever else came.
    pub async fn is_well(&self, check: &HealthCheck) -> Result<(), Unwell> {
        let asked = tokio::time::timeout(check.timeout(), self.status(check.path())).await;
        match asked {
            Ok(Ok(200..=399)) => Ok(()),
            Ok(Ok(status)) => Err(Unwell::Status(status)),
            Ok(Err(unwell)) => Err(unwell),
            Err(_) => Err(Unwell::Silent(check.timeout().as_secs())),
        }
    }

    async fn status(&self, path: &str) -> Result<u16, Unwell> {
        let v4 = self.connected(IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        let mut stream = match v4 {
            Ok(stream) => stream,
            Err(_) => self
                .connected(IpAddr::V6(Ipv6Addr::LOCALHOST))
                .await
                .map_err(|_| Unwell::Refused)?,
        };
        let question = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n\
             User-Agent: noon (health check)\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        let sent = stream.write_all(question.as_bytes()).await;
        sent.map_err(|_| Unwell::HungUp)?;
        first_status(&mut stream).await
    }

    /// Whether this machine may make sockets in the network at all. One that was made under
    /// another user namespace, by a server that is gone, is out of reach for good.
    pub fn is_in_reach(&self) -> bool {
        self.socket(false).is_ok() || self.socket(true).is_ok()
    }

    async fn asked(&self) -> Answer {
        match self.ask(IpAddr::V4(Ipv4Addr::LOCALHOST)).await {
            Answer::Refused => self.ask(IpAddr::V6(Ipv6Addr::LOCALHOST)).await,
            answer => answer,
        }
    }

    async fn ask(&self, ip: IpAddr) -> Answer {
        let Some(mut stream) = self.connection(ip).await else {
            return Answer::Refused;
        };
        if stream.write_all(QUESTION).await.is_err() {
            return Answer::HungUp;
        }
        let mut byte = [0];
        match tokio::time::timeout(SILENCE, stream.read(&mut byte)).await {
            Ok(Ok(1)) | Err(_) => Answer::Some,
            Ok(_) => Answer::HungUp,
        }
    }

    /// Whether the port takes a connection now, over IPv4 or IPv6.
    pub async fn answers(&self) -> bool {
        self.takes(IpAddr::V4(Ipv4Addr::LOCALHOST)).await
            || self.takes(IpAddr::V6(Ipv6Addr::LOCALHOST)).await
    }

    async fn takes(&self, ip: IpAddr) -> bool {
        self.connection(ip).await.is_some()
    }

    async fn connection(&self, ip: IpAddr) -> Option<TcpStream> {
        let connecting = self.connected(ip);
        tokio::time::timeout(PATIENCE, connecting).await.ok()?.ok()
    }

    async fn connected(&self, ip: IpAddr) -> io::Result<TcpStream> {
        let socket = self.socket(ip.is_ipv6())?;
        socket.connect(SocketAddr::new(ip, self.port)).await
    }

    fn socket(&self, v6: bool) -> io::Result<TcpSocket> {
        match &self.netns {
            Some(netns) => {
                let socket = noon_sandbox::socket_in(netns.as_fd(), v6)?;
                Ok(TcpSocket::from_std_stream(std::net::TcpStream::from(
                    socket,
                )))
            }
            None if v6 => TcpSocket::new_v6(),
            None => TcpSocket::new_v4(),
        }
    }
}

/// The status of the first line that comes.
async fn first_status(stream: &mut TcpStream) -> Result<u16, Unwell> {
    // "HTTP/1.1 200"
    let mut head = [0; 12];
    let mut filled = 0;
    while filled < head.len() {
        match stream.read(&mut head[filled..]).await {
            Ok(0) | Err(_) => return Err(Unwell::HungUp),
            Ok(more) => filled += more,
        }
    }
    status_in(&head).ok_or(Unwell::NoHttp)
}

fn status_in(head: &[u8; 12]) -> Option<u16> {
    let head = std::str::from_utf8(head).ok()?;
    let code = head
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| head.strip_prefix("HTTP/1.0 "))?;
    let is_code = code.bytes().all(|b| b.is_ascii_digit());
    code.parse().ok().filter(|code| is_code && *code >= 100)
}

/// A port of this machine that nobody uses at the moment.
///
/// # Errors
/// When the machine has none left.
pub fn free_on_host() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// The ports on which anything in the network of this process listens.
pub fn listening(pid: u32) -> BTreeSet<u16> {
    ["tcp", "tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok())
        .flat_map(|table| table.lines().filter_map(listener).collect::<Vec<_>>())
        .collect()
}

/// The port of a listening socket's line, as in
/// `0: 0100007F:1388 00000000:0000 0A …` (state 0A is LISTEN).
fn listener(line: &str) -> Option<u16> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, state) = (words.next()?, words.nth(1)?);
    let (_, port) = local.rsplit_once(':')?;
    (state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listeners_are_read_from_the_kernels_table() {
        for (line, expected) in [
            (
                "   0: 0100007F:1388 00000000:0000 0A 00000000:00000000",
                Some(5000),
            ),
            (
                "   1: 00000000000000000000000000000000:0BB8 0:0000 0A 0",
                Some(3000),
            ),
            (
                "   2: 0100007F:1388 0100007F:C350 01 00000000:00000000",
                None,
            ),
            ("  sl  local_address rem_address   st tx_queue", None),
            ("", None),
        ] {
            assert_eq!(listener(line), expected, "{line:?}");
        }
    }

    #[test]
    fn ones_own_listener_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listening(std::process::id()).contains(&port));
    }

    #[test]
    fn only_a_status_line_is_an_answer() {
        for (head, expected) in [
            (b"HTTP/1.1 200", Some(200)),
            (b"HTTP/1.0 503", Some(503)),
            (b"HTTP/1.1 099", None),
            (b"HTTP/1.1 +20", None),
            (b"HTTP/1.1  20", None),
            (b"HTTP/2.0 200", None),
            (b"SSH-2.0-Open", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(status_in(head), expected, "{head:?}");
        }
    }

    /// A port at which one connection gets these bytes, or none for as long as the test lasts.
    async fn says(answer: Option<&'static [u8]>) -> Target {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            match answer {
                Some(answer) => {
                    let mut question = vec![0; 4096];
                    let read = stream.read(&mut question).await.unwrap();
                    assert!(question[..read].starts_with(b"GET /up?x HTTP/1.1\r\nHost: "));
                    stream.write_all(answer).await.unwrap();
                }
                None => std::future::pending().await,
            }
        });
        Target { netns: None, port }
    }

    #[tokio::test]
    async fn a_health_check_is_answered_well_by_2xx_and_3xx_alone() {
        let rhythm = noon_domain::Rhythm {
            timeout: 1,
            ..Default::default()
        };
        let check = HealthCheck::new("/up?x", rhythm).unwrap();
        for (answer, expected) in [
            (Some(&b"HTTP/1.1 200 OK\r\n\r\n"[..]), Ok(())),
            (Some(b"HTTP/1.0 302 Found\r\n\r\n"), Ok(())),
            (Some(b"HTTP/1.1 404 None\r\n\r\n"), Err(Unwell::Status(404))),
            (Some(b"HTTP/1.1 103 Early\r\n"), Err(Unwell::Status(103))),
            (Some(b"220 smtp.example ready\r\n"), Err(Unwell::NoHttp)),
            (Some(b"HTTP"), Err(Unwell::HungUp)),
            (None, Err(Unwell::Silent(1))),
        ] {
            let target = says(answer).await;
            assert_eq!(target.is_well(&check).await, expected, "{answer:?}");
        }
        let nobody = Target {
            netns: None,
            port: free_on_host().unwrap(),
        };
        assert_eq!(nobody.is_well(&check).await, Err(Unwell::Refused));
    }

    #[tokio::test]
    async fn a_port_answers_on_either_family_and_not_when_nobody_listens() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let target = Target { netns: None, port };
            assert!(target.answers().await, "{address}");
            drop(listener);
            assert!(!target.answers().await, "{address}");
        }
    }
}
