use noon_wire::noon::LinkInfo;

use crate::context::Context;
use crate::error::Result;

/// Shows the apps that an app's processes reach, and where.
///
/// Example:
///   noon links list --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[group(skip)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let links: Vec<LinkInfo> = app.api.get(&app.noon_path("/links"))?;
    if args.json {
        return context.out.json(&links);
    }
    let cells = |link: &LinkInfo| vec![link.app.name.clone(), format!("http://{}/", link.host)];
    context
        .out
        .table(&links.iter().map(cells).collect::<Vec<_>>())
}
