//! How routes get from control to the router, and word of idle processes back.
//!
//! Over a Unix socket go frames of JSON: whole tables one way, reports the other. Each table has an
//! edition, counted by the [`Publisher`]; a report says which edition is followed and which
//! processes outside of it still have requests in flight.

mod frame;
mod keep;
mod publisher;
mod socket_path;
mod subscriber;
mod table;

pub use publisher::Publisher;
pub use subscriber::Subscriber;

use std::io;
use std::path::PathBuf;

/// Why the feed could not.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The socket could not be made.
    #[error(
        "the routes' socket at {path} could not be made: see that its directory can be written"
    )]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A table cannot be written as JSON.
    #[error("a route table cannot be written down: see that its paths are valid UTF-8")]
    Encode(#[source] serde_json::Error),
}
