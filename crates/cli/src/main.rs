//! The one binary (factor X): `noon server` is the platform, every other command its client.
//!
//! A command is one file in `commands`: its arguments, whose doc comment is the help text, then
//! one function. Results go to stdout, all else to stderr; each exit code has a name (`exit`).
//! Commands are synchronous and speak to the platform through its public API alone.
//!
//! Deliberately absent from the commands: any rule of the domain, any access to the platform's
//! data directory, and any state but the credentials file.

mod ago;
mod args;
mod argv;
mod client;
mod commands;
mod context;
mod credentials;
mod demo;
mod dotenv;
mod error;
mod exit;
mod git;
mod output;
mod progress;
mod server;
mod server_url;
mod settings;
mod shell;
mod terminal;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::settings::Settings;

fn main() -> ExitCode {
    let argv = argv::rewrite(std::env::args_os().collect());
    if asks_for_exit_codes(&argv) {
        let _ = std::io::stdout().write_all(exit::page().as_bytes());
        return ExitCode::from(exit::OK.code);
    }
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let done = match cli.run_house() {
        Ok(done) => done,
        Err(cli) => command(*cli).map(ExitCode::from),
    };
    done.unwrap_or_else(|error| ExitCode::from(report(&error)))
}

fn command(mut cli: Cli) -> Result<u8> {
    let settings = Settings::read(cli.flags(), |name| std::env::var(name).ok())?;
    let out = Output::new(settings.is_colour_allowed);
    cli.run(&Context { settings, out })
}

/// The one printer of errors.
fn report(error: &Error) -> u8 {
    match error {
        Error::ReaderGone => {}
        Error::Interrupted(signal) => return 128 + signal,
        _ => {
            let _ = std::io::stderr().write_all(error::show(error).as_bytes());
        }
    }
    error.exit().code
}

/// Help that was asked for, or a line that is not understood.
fn misread(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(exit::OK.code);
    }
    let text = error.render().to_string();
    let text = text
        .strip_prefix("error: ")
        .map_or(text.clone(), |text| format!("noon: {text}"));
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(exit::USAGE.code)
}

fn asks_for_exit_codes(argv: &[OsString]) -> bool {
    argv.len() == 3 && argv[1] == "help" && argv[2] == "exit-codes"
}
