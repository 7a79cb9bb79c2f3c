//! Connections to processes that wait for their next request. One pool per thread.

use std::collections::HashMap;
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
    upstream: std::sync::Arc<Upstream>,
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
    pub(crate) fn put(&mut self, upstream: &std::sync::Arc<Upstream>, socket: Socket) {
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
