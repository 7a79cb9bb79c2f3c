use crate::context::Context;
use crate::error::Result;

/// Stops one process, or those of one type. The formation brings its own back; one-off processes
/// stay away.
///
/// Example:
///   noon ps stop run.1234
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A type, such as worker, or a process, such as run.1234.
    #[arg(value_name = "TYPE|NAME")]
    which: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let place = if args.which.contains('.') {
        "dynos"
    } else {
        "formations"
    };
    app.api.act(
        "POST",
        &app.path(&format!("/{place}/{}/actions/stop", args.which)),
    )?;
    context
        .out
        .line(format_args!("Stopping {} of {}.", args.which, app.name))
}
