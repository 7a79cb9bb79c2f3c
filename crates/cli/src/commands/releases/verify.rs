use noon_wire::noon::LedgerReport;

use crate::context::Context;
use crate::error::{Error, Result};

/// Walks along the ledger of releases and checks that nobody has changed it.
///
/// Each entry carries the hash of the one before.
///
/// Example:
///   noon releases verify
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let report: LedgerReport = app.api.get(&app.noon_path("/releases/verify"))?;
    if args.json {
        context.out.json(&report)?;
    }
    if !report.intact {
        let why = report
            .broken
            .unwrap_or_else(|| "an entry does not fit".to_owned());
        return Err(Error::LedgerBroken(why));
    }
    if args.json {
        return Ok(());
    }
    context.out.line(format_args!(
        "{} entries, each fits the one before.",
        report.entries
    ))
}
