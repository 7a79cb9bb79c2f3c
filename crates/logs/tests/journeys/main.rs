//! Journeys through the whole room: real pipes, sockets, files, and processes that are killed.

mod collect;
mod disk;
mod house;
mod kill;
mod platform;
