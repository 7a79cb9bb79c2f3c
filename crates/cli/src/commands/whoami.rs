use crate::context::Context;
use crate::error::Result;

/// Prints as whom you are logged in.
///
/// Example:
///   noon whoami
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let account = context.api()?.account()?;
    if args.json {
        return context.out.json(&account);
    }
    context.out.line(account.email)
}
