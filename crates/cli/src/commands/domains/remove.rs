use crate::context::Context;
use crate::error::Result;

/// Leads a host name to an app no more.
///
/// Example:
///   noon domains remove www.example.com
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The host name.
    hostname: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    app.api
        .act("DELETE", &app.path(&format!("/domains/{}", args.hostname)))?;
    context.out.line(format_args!(
        "{} leads to {} no more.",
        args.hostname, app.name
    ))
}
