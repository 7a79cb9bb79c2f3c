use noon_wire::{App, AppUpdate};

use crate::context::Context;
use crate::error::Result;
use crate::git;

/// Gives an app another name, and with it another URL.
///
/// Example:
///   noon rename better-name -a my-app
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The new name.
    name: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let api = context.app()?;
    let update = AppUpdate {
        name: Some(args.name),
        maintenance: None,
    };
    let app: App = api.patch("", &update)?;
    context
        .out
        .note(format_args!("Renamed {} to {}.", api.name, app.name));
    move_remote(context, &api.name, &app.name)?;
    context.out.line(app.web_url.unwrap_or_default())
}

fn move_remote(context: &Context, from: &str, to: &str) -> Result<()> {
    let server = &context.settings.server;
    let named = git::remote_url().and_then(|url| git::app_of_remote(&url, server).ok());
    if named.as_deref() == Some(from) {
        git::run(&["remote", "set-url", git::REMOTE, &server.git_url(to)])?;
        context.out.note("The git remote noon follows it.");
    }
    Ok(())
}
