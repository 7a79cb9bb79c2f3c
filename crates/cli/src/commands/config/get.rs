use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{Error, Result};

/// Prints the value of one config var, and nothing else.
///
/// Example:
///   noon config get DATABASE_URL
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Its name.
    name: String,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let vars: BTreeMap<String, String> = app.get("/config-vars")?;
    match vars.get(&args.name) {
        Some(value) if args.json => context.out.json(value),
        Some(value) => context.out.line(value),
        None => Err(Error::Missing(format!(
            "{} has no config var {}",
            app.name, args.name
        ))),
    }
}
