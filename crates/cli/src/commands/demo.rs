use crate::context::Context;
use crate::demo;
use crate::error::Result;

/// Shows all of noon in a minute: starts a server, pushes an app, breaks it, rolls back.
///
/// It lives in a directory of its own, on free ports, and touches neither your git settings nor
/// your credentials. The app stays up for you to try until Ctrl-C; then all of it is removed.
///
/// Example:
///   noon demo
///   noon demo --once
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Ends after the last step.
    #[arg(long)]
    once: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    demo::run(&context.out, args.once)
}
