//! Host names.

mod add;
mod list;
mod remove;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Shows and changes the host names that lead to an app.
///
/// Example:
///   noon domains add www.example.com
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
