//! Connections to processes that wait for their next request. One pool per thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use noon_domain::ProcessId;

use crate::routes::Upstream;
use crate::socket::Socket;

/// Node closes after five seconds: we close before.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// A request that cannot be sent twice takes only a connection that is surely still open:
/// gunicorn closes after two seconds.
const MAX_IDLE_UNREPEATABLE: Duration = Duration::from_secs(1);
const MAX_PER_PROCESS: usize = 256;

struct Parked {
    socket: Socket,
    since: Instant,
}

/// The connections of one thread, the last parked first out.
#[derive(Default)]
pub(crate) struct Pool(HashMap<ProcessId, Lot>);

struct Lot {
    upstream: Arc<Upstream>,
    parked: Vec<Parked>,
}

impl Pool {
    /// Takes an open connection to a process, if there is one that fits.
    pub(crate) fn take(&mut self, process: ProcessId, is_replayable: bool) -> Option<Socket> {
        let parked = &mut self.0.get_mut(&process)?.parked;
        let limit = if is_replayable {
            MAX_IDLE
        } else {
            MAX_IDLE_UNREPEATABLE
        };
        while let Some(last) = parked.pop_if(|p| p.since.elapsed() < limit) {
            if last.socket.is_silent() {
                return Some(last.socket);
            }
        }
        None
    }

    /// Parks a connection, unless its process is on its way out.
    pub(crate) fn put(&mut self, upstream: &Arc<Upstream>, socket: Socket) {
        if upstream.is_leaving() || !socket.ahead.is_empty() || socket.has_ended {
            return;
        }
        let lot = self
            .0
            .entry(upstream.endpoint.process)
            .or_insert_with(|| Lot {
                upstream: upstream.clone(),
                parked: Vec::new(),
            });
        if lot.parked.len() < MAX_PER_PROCESS {
            let since = Instant::now();
            lot.parked.push(Parked { socket, since });
        }
    }

    /// Closes what waited too long, what was closed at the other end, and what leads to processes
    /// that no host leads to.
    pub(crate) fn sweep(&mut self) {
        self.0.retain(|_, lot| {
            lot.parked
                .retain(|p| p.since.elapsed() < MAX_IDLE && p.socket.is_silent());
            !lot.upstream.is_leaving() && !lot.parked.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use noon_domain::{
        Address, AppId, Backend, Endpoint, Hostname, NoBackend, ProcessName, RouteTable,
    };
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::routes::{Entrance, Hold, Routes, Seeker};

    fn apply(routes: &Routes, ready: Result<Vec<Endpoint>, NoBackend>) {
        let (app, app_name) = (AppId::new(), "demo".parse().unwrap());
        let host: Hostname = "demo.test".parse().unwrap();
        let backend = Arc::new(Backend {
            app,
            app_name,
            ready,
        });
        routes.apply(&RouteTable::new(1, [(host, backend)]));
    }

    fn hold(routes: &Routes) -> Hold {
        let name: ProcessName = "web.1".parse().unwrap();
        let address = Address::Tcp(([127, 0, 0, 1], 1).into());
        let process = ProcessId::new();
        apply(
            routes,
            Ok(vec![Endpoint {
                process,
                name,
                address,
            }]),
        );
        let seeker = Seeker {
            entrance: Entrance::World,
            host: "demo.test",
            tried: &[],
            thread: 0,
            random: 0,
        };
        routes.take(&seeker).unwrap()
    }

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (Socket::new(ours), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_parked_connection_is_taken_once() {
        let (mut pool, hold) = (Pool::default(), hold(&Routes::new()));
        let (ours, _theirs) = pair().await;
        pool.put(&hold.upstream, ours);
        pool.sweep();
        let process = hold.upstream.endpoint.process;
        assert!(pool.take(process, false).is_some() && pool.take(process, true).is_none());
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_spoke_out_of_turn_is_not_taken() {
        for has_spoken in [false, true] {
            let (mut pool, hold) = (Pool::default(), hold(&Routes::new()));
            let (ours, theirs) = pair().await;
            if has_spoken {
                theirs.try_write(b"HTTP/1.1 408 Timeout").unwrap();
            }
            drop(theirs);
            pool.put(&hold.upstream, ours);
            // The runtime hears of the close when it next waits.
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(pool.take(hold.upstream.endpoint.process, true).is_none());
        }
    }

    #[tokio::test]
    async fn connections_to_a_process_that_left_are_closed_and_none_is_parked() {
        let (mut pool, routes) = (Pool::default(), Routes::new());
        let hold = hold(&routes);
        let ((first, _theirs), (second, _others)) = (pair().await, pair().await);
        pool.put(&hold.upstream, first);
        apply(&routes, Err(NoBackend::NoProcesses));
        pool.sweep();
        pool.put(&hold.upstream, second);
        assert!(pool.take(hold.upstream.endpoint.process, true).is_none());
    }
}
