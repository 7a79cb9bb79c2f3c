//! What an app reaches of other apps.

mod add;
mod list;
mod remove;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Shows and changes which other apps an app's processes reach, privately.
///
/// Apps do not reach each other, unless one is linked to the other. With a link, every process of
/// the one reaches the other's web processes at http://NAME.internal/, through the router: requests
/// are balanced, and survive deploys, as those from outside do. A link leads one way, to an app of
/// the same owner.
///
/// Example:
///   noon links add backend --app frontend
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
    Add(add::Args),
    Remove(remove::Args),
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(args) => list::run(context, args),
        Command::Add(args) => add::run(context, args),
        Command::Remove(args) => remove::run(context, args),
    }
}
