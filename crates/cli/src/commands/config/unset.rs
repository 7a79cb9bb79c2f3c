use super::change::{self, Change};
use crate::context::Context;
use crate::error::Result;

/// Removes config vars, all at once: one release, one restart.
///
/// Example:
///   noon config unset GREETING LIMIT
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Their names.
    #[arg(required = true)]
    names: Vec<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let change: Change = args.names.into_iter().map(|name| (name, None)).collect();
    change::apply(context, &change)
}
