use std::collections::BTreeMap;

use crate::context::Context;
use crate::dotenv;
use crate::error::Result;

/// Prints all config vars as an .env file, for noon config import, a shell or docker-compose.
///
/// Example:
///   noon config export > .env
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

/// Runs the command.
pub fn run(context: &Context, _: Args) -> Result<()> {
    let vars: BTreeMap<String, String> = context.app()?.get("/config-vars")?;
    for (name, _) in vars.iter().filter(|(_, value)| !dotenv::is_portable(value)) {
        context.out.note(format_args!(
            "{name} is written for shells and for noon: docker-compose reads it otherwise."
        ));
    }
    let pairs = vars
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    context.out.bytes(dotenv::print(pairs).as_bytes())
}
