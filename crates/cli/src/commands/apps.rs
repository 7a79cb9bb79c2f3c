use noon_wire::App;

use crate::client::ListRange;
use crate::context::Context;
use crate::error::Result;

/// Lists your apps.
///
/// Example:
///   noon apps
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let apps: Vec<App> = context.api()?.list("/apps", ListRange::All)?;
    if args.json {
        return context.out.json(&apps);
    }
    if apps.is_empty() {
        context
            .out
            .note("You have no apps yet: noon create makes one.");
    }
    let rows = apps
        .into_iter()
        .map(|app| vec![app.name, app.web_url.unwrap_or_default()]);
    context.out.table(&rows.collect::<Vec<_>>())
}
