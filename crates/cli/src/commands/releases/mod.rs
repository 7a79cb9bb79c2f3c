//! The ledger of releases.

mod info;
mod list;
mod output;
mod verify;

use clap::Subcommand;
use noon_domain::Version;

use crate::context::Context;
use crate::error::{Error, Result};

/// Shows the releases of an app: each deploy, each change of config, each rollback.
///
/// Example:
///   noon releases
///   noon releases info v12
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    list: list::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Info(info::Args),
    Output(output::Args),
    Verify(verify::Args),
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(args) => list::run(context, args),
        Command::Info(args) => info::run(context, args),
        Command::Output(args) => output::run(context, args),
        Command::Verify(args) => verify::run(context, args),
    }
}

/// Reads `v12` or `12`.
///
/// # Errors
/// [`Error::Usage`] where it is neither.
pub fn parse_version(text: &str) -> Result<u32> {
    let version: Result<Version, _> = text.parse();
    version.map(Version::get).map_err(|_| {
        Error::usage(
            format!("{text:?} is no release"),
            "noon releases lists them: v1, v2, …",
        )
    })
}
