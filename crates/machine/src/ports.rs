//! Ports: whether a process answers on the one it was given, and which others it opened.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

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

/// What a process is asked to see whether it answers: any answer will do, an error too.
const QUESTION: &[u8] = b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\
    User-Agent: noon (is it ready?)\r\nConnection: close\r\n\r\n";
/// How long a process that took a connection may think before it counts as ready anyway.
const SILENCE: Duration = Duration::from_secs(5);
/// So often a process may hang up on the question before it counts as ready: no HTTP then.
const MOST_HANG_UPS: u32 = 40;

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
        let socket = self.socket(ip.is_ipv6()).ok()?;
        let connecting = socket.connect(SocketAddr::new(ip, self.port));
        tokio::time::timeout(PATIENCE, connecting).await.ok()?.ok()
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
