//! What apps have tried on others of their kind, tried here: the app does this, that is expected.
//!
//! `docs/attacks.md` lists all attacks and where each is tried. These run as root, and again as
//! ordinary users: one that has nothing, one with a range of ids, one with cgroups of its own.
//! There is no harness, since a user namespace must be entered before there is a second thread.
#![expect(unsafe_code, reason = "tests call the kernel as the platform does")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may fall")]

/// A module's attacks by the names of their functions.
macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        pub const ATTACKS: &[crate::Attack] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}

#[path = "../suite/common.rs"]
#[expect(dead_code, reason = "the other suite uses the rest of it")]
mod common;
mod descriptors;
mod files;
mod network;
mod privileges;
mod resources;
mod runs;
mod stage;
mod supervisor;
mod users;

use std::process::ExitCode;

/// One attack: its name, and how it is tried.
type Attack = (&'static str, fn(&stage::Stage));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = [
        files::ATTACKS,
        descriptors::ATTACKS,
        privileges::ATTACKS,
        network::ATTACKS,
        resources::ATTACKS,
        supervisor::ATTACKS,
    ]
    .concat();
    // Cargo hands on flags of the usual harness; names remain.
    let names: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let chosen =
        |(name, _): &Attack| names.is_empty() || names.iter().any(|part| name.contains(part));
    if arguments.iter().any(|argument| argument == "--list") {
        all.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    match std::env::var(users::MODE) {
        Ok(mode) => runs::run(&mode, all.into_iter().filter(chosen).collect()),
        Err(_) => users::run_as_each(&names),
    }
}
