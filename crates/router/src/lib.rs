//! Factor VII, port binding: HTTP comes in here and reaches the process that answers its host.
//!
//! A thread per core accepts, reads a head, finds the host in the routes, picks the less busy of
//! two random processes, carries bytes both ways at once, and leaves one line in the app's log.
//! What cannot be answered gets a page and one of Heroku's H codes.
//!
//! How it is laid out: `http` is pure (bytes in, values out); `flow` moves one direction of one
//! message, `talk` both at once; `exchange` is the story of one request, `connection` of one
//! client, `worker` of one thread, `inside` of links: there the router listens within the processes
//! of an app that is linked to others. [`Routes`] is what all threads share, [`feed`] how control
//! fills it from another process.
//!
//! Invariants:
//! - A table is swapped whole. A request in flight ends where it is; the next follows the new one.
//! - A request counts itself in before it may use a process, so a count of zero after a swap stays
//!   zero: that is what [`feed::Publisher::drained`] stands on.
//! - Nothing is shared on a request's way but the table and the counts.
//! - Framing is never guessed: what two readers might read differently is refused. Bodies pass as
//!   they came; a head is written anew.
//! - What came in inside a process is led to what its app is linked to, and to nothing else.
//! - Without control the last table serves on, and from a file after a restart.
//!
//! Deliberately absent: hyper (its cost, its memory per idle connection, and framing it hides),
//! TLS and HTTP/2 (not yet), caching, compression, rewriting of bodies, store, control and engines.

mod choice;
mod code;
mod connect;
mod connection;
mod exchange;
pub mod feed;
mod flow;
mod http;
mod inside;
mod page;
mod pool;
mod record;
mod routes;
mod serve;
mod settings;
mod socket;
mod talk;
mod worker;

pub use routes::Routes;
pub use serve::{ServeError, serve};
pub use settings::{Hooks, Limits, ListenFn, Network, NetworkError, Settings, SocketFn};
