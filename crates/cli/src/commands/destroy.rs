use std::io::IsTerminal;

use noon_wire::App;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::git;
use crate::terminal;

/// Destroys an app: its processes, releases, config vars, logs and its repository here.
///
/// It cannot be undone, so it asks for the app's name. Scripts say it with --confirm.
///
/// Example:
///   noon destroy -a my-app --confirm my-app
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The app's name once more, in place of the question.
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let api = context.app()?;
    let app: App = api.show()?;
    let typed = match args.confirm {
        Some(name) => name,
        None if std::io::stdin().is_terminal() => {
            context.out.note(format_args!(
                "This destroys {} and all that it holds.",
                app.name
            ));
            terminal::ask(&format!("Type {} to go on:", app.name))?
        }
        None => String::new(),
    };
    if typed != app.name {
        let hint = format!("noon destroy -a {0} --confirm {0}", app.name);
        return Err(Error::usage(
            format!("{} stays: its name was not confirmed", app.name),
            hint,
        ));
    }
    api.api.act("DELETE", &api.path(""))?;
    forget_remote(context, &app.name);
    context.out.line(format_args!("Destroyed {}.", app.name))
}

fn forget_remote(context: &Context, app: &str) {
    let named =
        git::remote_url().and_then(|url| git::app_of_remote(&url, &context.settings.server).ok());
    if named.as_deref() == Some(app) && git::run(&["remote", "remove", git::REMOTE]).is_ok() {
        context.out.note("Removed the git remote noon.");
    }
}
