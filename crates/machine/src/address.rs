//! Sockets that lead to a process, for whoever brings it requests.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use noon_domain::Address;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// The port at which an app finds others by their names: what HTTP takes when none is given.
pub const LINK_PORT: u16 = 80;
/// So many connections of a process may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The network namespaces that were asked for, by the directory of their shim.
static NAMESPACES: LazyLock<RwLock<HashMap<PathBuf, Arc<OwnedFd>>>> =
    LazyLock::new(RwLock::default);

/// Makes an unconnected, non-blocking TCP socket from which `address` is reached: at the loopback
/// address of the family and the address's port, for a namespace. The namespace is remembered, so
/// that only the first socket asks the shim.
///
/// # Errors
/// When the shim is gone, or the kernel has no socket left.
pub fn socket_for(address: &Address, v6: bool) -> io::Result<OwnedFd> {
    match address {
        Address::Namespace { shim, .. } => {
            let netns = namespace(shim)?;
            noon_sandbox::socket_in(netns.as_fd(), v6)
        }
        Address::Tcp(_) => {
            let family = if v6 {
                AddressFamily::INET6
            } else {
                AddressFamily::INET
            };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            Ok(socket_with(family, SocketType::STREAM, flags, None)?)
        }
    }
}

/// Listens where the links of a process lead: at the loopback address of its namespace, on
/// [`LINK_PORT`], which the process itself is not privileged to take. Non-blocking.
///
/// # Errors
/// As [`socket_for`]; for an address of this machine, which has no such place; and when another
/// listens there.
pub fn listen_inside(address: &Address) -> io::Result<TcpListener> {
    let Address::Namespace { .. } = address else {
        return Err(io::Error::other(
            "a process on this machine's own network has no links",
        ));
    };
    let socket = socket_for(address, false)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, LINK_PORT)))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Forgets the namespace of a shim, so that the kernel can free it. Happens by itself, for shims
/// that have gone, whenever a new one is first asked for.
pub fn forget_namespace(shim: &Path) {
    let mut known = NAMESPACES.write().unwrap_or_else(PoisonError::into_inner);
    known.remove(shim);
}

fn namespace(shim: &Path) -> io::Result<Arc<OwnedFd>> {
    let known = NAMESPACES.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(netns) = known.get(shim) {
        return Ok(netns.clone());
    }
    drop(known);
    let ask = || noon_sandbox::Shim::connect(shim)?.netns();
    let netns = Arc::new(ask().map_err(io::Error::other)?);
    let mut known = NAMESPACES.write().unwrap_or_else(PoisonError::into_inner);
    known.retain(|dir, _| dir.exists());
    known.insert(shim.to_owned(), netns.clone());
    Ok(netns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_needs_no_shim() {
        let address = Address::Tcp("127.0.0.1:1".parse().unwrap());
        assert!(socket_for(&address, false).is_ok());
    }

    #[test]
    fn a_shim_that_is_gone_is_said_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::Namespace {
            shim: dir.path().to_owned(),
            port: 5000,
        };
        let error = socket_for(&address, false).unwrap_err().to_string();
        assert!(error.contains("no shim"), "{error}");
    }
}
