//! What an app's processes may reach.

mod set;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Shows and chooses what an app's processes may reach.
///
///   nat   the world outside, but not this server and not other apps
///   none  nothing; requests still reach the app
///   host  all that this server reaches, noon's own ports too: no wall at all
///
/// The server's NOON_EGRESS decides for apps that have not chosen. `host` is refused unless the
/// server was started with NOON_HOST_NETWORK=allowed. One-offs and the release phase reach what
/// the app reaches; builds do not follow it.
///
/// Example:
///   noon network
///   noon network set none
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    show: show::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Args),
    Set(set::Args),
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    match args.command.unwrap_or(Command::Show(args.show)) {
        Command::Show(args) => show::run(context, args),
        Command::Set(args) => set::run(context, args),
    }
}
