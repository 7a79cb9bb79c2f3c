//! The shim: keeps one process inside its walls. All it does is in the library.
//!
//! It has C's `main`: the runtime's own start reads `/proc` and installs handlers, which takes
//! longer than what the shim does, and is not needed by a program that neither panics nor prints.
#![no_main]
#![expect(unsafe_code, reason = "C's `main` must carry its own name")]

use std::os::raw::c_int;

/// Takes one request from standard input and does it.
// SAFETY: no other symbol of this program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> c_int {
    noon_sandbox::shim::run()
}
