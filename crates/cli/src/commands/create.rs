use noon_wire::{App, AppCreate};

use crate::context::Context;
use crate::error::Result;
use crate::git;

/// Makes an app, and tells git where to push it.
///
/// Inside a git repository it adds a remote named noon, unless there is one. Without NAME the
/// platform makes a name up.
///
/// Example:
///   noon create my-app
///   git push noon main
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The app's name: 3 to 30 lower-case letters, digits and dashes, a letter first.
    name: Option<String>,
    /// Leaves git alone.
    #[arg(long)]
    no_remote: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let name = args.name;
    let app: App = context.api()?.post("/apps", &AppCreate { name })?;
    context.out.note(format_args!("Created {}.", app.name));
    if !args.no_remote {
        add_remote(context, &app.name)?;
    }
    if args.json {
        return context.out.json(&app);
    }
    context.out.line(app.web_url.unwrap_or_default())
}

fn add_remote(context: &Context, app: &str) -> Result<()> {
    if !git::is_in_repository() {
        return Ok(());
    }
    if let Some(url) = git::remote_url() {
        context
            .out
            .note(format_args!("The git remote noon stays as it is: {url}"));
        return Ok(());
    }
    git::run(&[
        "remote",
        "add",
        git::REMOTE,
        &context.settings.server.git_url(app),
    ])?;
    context
        .out
        .note("Added the git remote noon: git push noon main deploys.");
    Ok(())
}
