//! What the router is told at its start.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use noon_domain::{Address, PlatformSink};

/// What the router is given once, at its start.
#[derive(Debug)]
pub struct Settings {
    /// The listening sockets. Each thread works on a duplicate; whoever gave them keeps them open.
    pub listeners: Vec<TcpListener>,
    /// How many threads carry bytes; at least one.
    pub threads: usize,
    /// How long things may take and how large they may be.
    pub limits: Limits,
    /// Proxies whose `X-Forwarded-*` fields are believed. None by default.
    pub trusted: Vec<Network>,
}

impl Settings {
    /// Settings for these listeners, with a thread per core, Heroku's limits and no trusted proxy.
    pub fn new(listeners: Vec<TcpListener>) -> Self {
        Self {
            listeners,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            limits: Limits::default(),
            trusted: Vec::new(),
        }
    }
}

/// How long things may take and how large they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one connection to a process (H19).
    pub connect: Duration,
    /// For the first byte of a response, once the request was sent (H12).
    pub first_byte: Duration,
    /// For a silence on both sides after that (H15, H28).
    pub idle: Duration,
    /// For a request that waits for a booting app (H20).
    pub boot: Duration,
    /// For a client's connection between two requests.
    pub keep_alive: Duration,
    /// For a request's head, from its first byte to its last.
    pub head: Duration,
    /// For a process that did not accept to be set aside.
    pub aside: Duration,
    /// For what is in flight through a link that was removed.
    pub unlink: Duration,
    /// For requests in flight when the router is told to stop.
    pub shutdown: Duration,
    /// The longest request line and status line, in bytes.
    pub line_bytes: usize,
    /// The longest field name of a request, in bytes.
    pub name_bytes: usize,
    /// The longest field value of a request and the longest cookie of a response, in bytes.
    pub value_bytes: usize,
    /// The longest head of a request, in bytes.
    pub request_head_bytes: usize,
    /// The longest head of a response, in bytes.
    pub response_head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(55),
            boot: Duration::from_secs(75),
            keep_alive: Duration::from_secs(75),
            head: Duration::from_secs(30),
            aside: Duration::from_secs(5),
            unlink: Duration::from_secs(5),
            shutdown: Duration::from_secs(30),
            line_bytes: 8192,
            name_bytes: 1000,
            value_bytes: 8192,
            request_head_bytes: 64 * 1024,
            response_head_bytes: 512 * 1024,
        }
    }
}

/// Makes an unconnected TCP socket where an address lives; the flag asks for IPv6. May block.
pub type SocketFn = Arc<dyn Fn(&Address, bool) -> io::Result<OwnedFd> + Send + Sync>;

/// Listens where the links of a process lead, which lives at an address. May block.
pub type ListenFn = Arc<dyn Fn(&Address) -> io::Result<TcpListener> + Send + Sync>;

/// What the router asks of the rest of the house.
#[derive(Clone)]
pub struct Hooks {
    /// Makes a socket inside the network namespace of an [`Address::Namespace`].
    pub socket: SocketFn,
    /// Listens inside the network namespace of a process that is linked to other apps.
    pub listen: ListenFn,
    /// Takes the line that each request of a known app leaves.
    pub sink: PlatformSink,
}

/// A network of trusted proxies: `10.0.0.0/8`, `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write an address, or an address and a length, as in 10.0.0.0/8")]
pub struct NetworkError(pub String);

impl Network {
    /// Whether the address lies in it. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits);
                (net.to_bits() ^ ip.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits);
                (net.to_bits() ^ ip.to_bits())
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || NetworkError(text.chars().take(80).collect());
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| bad())?;
        if bits > most {
            Err(bad())
        } else {
            Ok(Self { address, bits })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_other() {
        for (net, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("::1", "::1", true),
            ("::/0", "127.0.0.1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            let net: Network = net.parse().unwrap();
            assert_eq!(
                net.contains(address.parse().unwrap()),
                expected,
                "{net:?} {address}"
            );
        }
        for bad in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?} was taken");
        }
    }
}
