//! The shim: keeps one process inside its walls.
fn main() {}
