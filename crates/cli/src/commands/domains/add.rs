use noon_wire::{Domain, DomainCreate};

use crate::context::Context;
use crate::error::Result;

/// Leads a host name to an app. Point it at this server in your DNS, too.
///
/// Example:
///   noon domains add www.example.com
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The host name.
    hostname: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let domain: Domain = app.post(
        "/domains",
        &DomainCreate {
            hostname: args.hostname,
        },
    )?;
    if let Some(cname) = &domain.cname {
        context
            .out
            .note(format_args!("In your DNS, point it at {cname} (CNAME)."));
    }
    context
        .out
        .line(format_args!("{} leads to {}.", domain.hostname, app.name))
}
