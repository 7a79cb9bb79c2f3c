//! The shim: keeps one process inside its walls. All it does is in the library.
fn main() {
    noon_sandbox::shim::run()
}
