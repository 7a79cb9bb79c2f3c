//! The walls around one process, tried from inside and from outside.

mod bounds;
mod common;
mod exec;
mod life;
mod limits;
mod sizing;
mod survival;
mod walls;
