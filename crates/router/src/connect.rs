//! New connections to processes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as StdStream};

use noon_domain::Address;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::code::Code;
use crate::settings::{Hooks, Limits};

/// Connects to where a process listens.
///
/// Gives the code of what went wrong: refused (H21) or too slow (H19).
pub(crate) async fn connect(
    address: &Address,
    hooks: &Hooks,
    limits: &Limits,
) -> Result<TcpStream, Code> {
    let attempt = async {
        match address {
            Address::Tcp(address) => TcpStream::connect(address).await,
            Address::Namespace { port, .. } => connect_inside(address, *port, hooks).await,
        }
    };
    match timeout(limits.connect, attempt).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Err(Code::ConnectTimeout),
        Ok(Err(error)) => {
            tracing::debug!(%error, ?address, "a process did not accept");
            Err(Code::ConnectRefused)
        }
        Err(_) => Err(Code::ConnectTimeout),
    }
}

/// Some apps listen on IPv4 only, some on IPv6 only.
async fn connect_inside(address: &Address, port: u16, hooks: &Hooks) -> io::Result<TcpStream> {
    let v4 = socket(address, false, hooks).await?;
    match v4.connect(local(Ipv4Addr::LOCALHOST.into(), port)).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let v6 = socket(address, true, hooks).await?;
            v6.connect(local(Ipv6Addr::LOCALHOST.into(), port)).await
        }
        outcome => outcome,
    }
}

const fn local(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

/// The hook may ask a shim and wait for it: not on the thread that carries bytes.
async fn socket(address: &Address, is_v6: bool, hooks: &Hooks) -> io::Result<TcpSocket> {
    let (make, address) = (hooks.socket.clone(), address.clone());
    let made = tokio::task::spawn_blocking(move || make(&address, is_v6));
    let stream = StdStream::from(made.await.map_err(io::Error::other)??);
    stream.set_nonblocking(true)?;
    Ok(TcpSocket::from_std_stream(stream))
}
