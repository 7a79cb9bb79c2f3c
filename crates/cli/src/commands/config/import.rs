use std::io::Read;

use super::change::{self, Change};
use crate::context::Context;
use crate::dotenv;
use crate::error::{Error, Result};

/// Sets config vars from an .env file, all at once: one release, one restart.
///
/// Values are taken as they are written: nothing is expanded, nothing is run. One line that is not
/// understood, and nothing is changed.
///
/// Example:
///   noon config import .env
///   noon config export -a staging | noon config import - -a production
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The file; - is stdin.
    #[arg(default_value = "-")]
    file: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let (name, bytes) = read(&args.file)?;
    let vars = dotenv::parse(&bytes).map_err(|source| Error::Dotenv { name, source })?;
    if vars.is_empty() {
        return context
            .out
            .line("Nothing changed: there is no config var in it.");
    }
    let change: Change = vars
        .into_iter()
        .map(|(key, value)| (key.to_string(), Some(value)))
        .collect();
    change::apply(context, &change)
}

fn read(file: &str) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(Error::io("reading stdin"))?;
        return Ok(("stdin".to_owned(), bytes));
    }
    let bytes = std::fs::read(file).map_err(|error| {
        Error::usage(
            format!("{file} cannot be read: {error}"),
            "noon config import FILE",
        )
    })?;
    Ok((file.to_owned(), bytes))
}
