use noon_wire::noon::{LinkCreate, LinkInfo};

use crate::context::Context;
use crate::error::Result;

/// Lets an app's processes reach another app's web processes.
///
/// Processes that do not know its name yet are replaced, new beside old, so that no request fails.
///
/// Example:
///   noon links add backend --app frontend
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The app to reach. It must have the same owner.
    #[arg(value_name = "OTHER")]
    other: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let create = LinkCreate { app: args.other };
    let link: LinkInfo = app.api.post(&app.noon_path("/links"), &create)?;
    if link.restarted {
        context.out.note(format_args!(
            "The processes of {} were replaced, so that they know the name.",
            app.name
        ));
    }
    context.out.line(format_args!(
        "{} reaches {} at http://{}/.",
        app.name, link.app.name, link.host
    ))
}
