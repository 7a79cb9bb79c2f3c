//! Config vars: what varies between deploys.

mod change;
mod export;
mod get;
mod import;
mod list;
mod set;
mod unset;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Shows and changes config vars: what varies between deploys.
///
/// Every change is a release: the app restarts with it, and can be rolled back from it.
///
/// Example:
///   noon config
///   noon config set GREETING=hello LIMIT=3
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
    Get(get::Args),
    Set(set::Args),
    Unset(unset::Args),
    Import(import::Args),
    Export(export::Args),
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(args) => list::run(context, args),
        Command::Get(args) => get::run(context, args),
        Command::Set(args) => set::run(context, args),
        Command::Unset(args) => unset::run(context, args),
        Command::Import(args) => import::run(context, args),
        Command::Export(args) => export::run(context, args),
    }
}
