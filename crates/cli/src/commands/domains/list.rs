use noon_wire::Domain;

use crate::context::Context;
use crate::error::Result;

/// Shows the host names that lead to an app.
///
/// Example:
///   noon domains list --json
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
    let domains: Vec<Domain> = context.app()?.list("/domains")?;
    if args.json {
        return context.out.json(&domains);
    }
    let cells = |domain: &Domain| {
        let cname = domain.cname.as_deref();
        let pointer = cname.map(|cname| format!("points at {cname} by CNAME"));
        vec![
            domain.hostname.clone(),
            pointer.unwrap_or_else(|| "always there".to_owned()),
        ]
    };
    context
        .out
        .table(&domains.iter().map(cells).collect::<Vec<_>>())
}
