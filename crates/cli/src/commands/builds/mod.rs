//! The builds.

mod info;
mod list;
mod output;

use clap::Subcommand;
use noon_wire::Build;

use crate::client::AppApi;
use crate::context::Context;
use crate::error::{Error, Result};

/// Shows the builds of an app, and what they printed.
///
/// Example:
///   noon builds
///   noon builds output -f
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
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    match args.command.unwrap_or(Command::List(args.list)) {
        Command::List(args) => list::run(context, args),
        Command::Info(args) => info::run(context, args),
        Command::Output(args) => output::run(context, args),
    }
}

/// All builds, newest first.
fn newest_first(app: &AppApi) -> Result<Vec<Build>> {
    let mut builds: Vec<Build> = app.list("/builds")?;
    builds.sort_by_key(|build| std::cmp::Reverse(build.created_at));
    Ok(builds)
}

/// The build that is meant: by the beginning of its id, else the newest.
fn find(app: &AppApi, id: Option<&str>) -> Result<Build> {
    let builds = newest_first(app)?;
    let is_meant = |build: &Build| id.is_none_or(|id| build.id.to_string().starts_with(id));
    builds.into_iter().find(is_meant).ok_or_else(|| {
        Error::Missing(match id {
            Some(id) => format!("{} has no build {id}", app.name),
            None => format!("{} has no builds yet", app.name),
        })
    })
}
