//! The processes and the formation.

mod exec;
mod limits;
mod list;
mod resize;
mod restart;
mod scale;
mod stop;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;
use crate::exit;

/// Shows the processes of an app; scales, resizes, restarts and stops them, and goes into them.
///
/// Example:
///   noon ps
///   noon ps scale web=3 worker+1
///   noon ps exec web.1
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
    Limits(limits::Args),
    List(list::Args),
    Resize(resize::Args),
    Exec(exec::Args),
    Scale(scale::Args),
    Restart(restart::Args),
    Stop(stop::Args),
}

/// Runs the command; returns its exit code, which may be that of what it ran.
pub fn run(context: &Context, args: Args) -> Result<u8> {
    let done = match args.command.unwrap_or(Command::List(args.list)) {
        Command::Exec(args) => return exec::run(context, args),
        Command::Limits(args) => limits::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Resize(args) => resize::run(context, args),
        Command::Scale(args) => scale::run(context, args),
        Command::Restart(args) => restart::run(context, args),
        Command::Stop(args) => stop::run(context, args),
    };
    done.map(|()| exit::OK.code)
}
