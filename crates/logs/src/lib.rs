//! Logs (factor XI): collect, stamp, keep, merge and tail what the processes of all apps print.
//!
//! One thread reads the output pipes of all processes and the lines of the platform, stamps each
//! read once, and appends every line to a ring of its app: a bounded number of mapped segment
//! files under `logs/<app>/`. Whoever wants lines has a cursor into those files and needs nobody's
//! leave: history and tails work while no collector runs.
//!
//! What always holds:
//! - The collector waits for no reader. Who is too slow is overtaken, and told by exactly how much.
//! - A line is lost only by count: in the app's own stream stands an `L11`, `L12` or `L13` line.
//! - One app's lines have one order, numbered without doubles across restarts of the collector.
//! - A frame is seen whole or not at all; a kill between two instructions tears none.
//! - What a process printed last is kept before its pipe is let go, and before the platform's next
//!   line about that process.
//!
//! Deliberately absent: any understanding of what apps print, a runtime, the network, and every
//! decision about which processes there are: whoever runs the collector hands it their pipes.
#![deny(unsafe_code)]

mod client;
mod collector;
mod connection;
mod error;
mod filter;
mod frame;
mod intake;
mod map;
mod message;
mod notice;
mod outbox;
mod reader;
mod record;
mod ring;
mod rings;
mod segment;
mod socket;
mod split;
mod stop;
mod tail;

pub use client::Client;
pub use collector::{Collector, Settings};
pub use error::Error;
pub use filter::Filter;
pub use frame::Flags;
pub use intake::Pipe;
pub use reader::{Reader, Start};
pub use record::Record;
pub use ring::RingSize;
pub use split::MAX_LINE_BYTES;
pub use stop::Stop;
pub use tail::{Event, Gap, Tail};
