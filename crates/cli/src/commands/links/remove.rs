use crate::context::Context;
use crate::error::Result;

/// Lets an app's processes reach another app no more.
///
/// New requests are refused at once. What is under way, upgraded connections too, has five seconds
/// to end and is then cut. Nothing is restarted.
///
/// Example:
///   noon links remove backend --app frontend
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The app that was reached.
    #[arg(value_name = "OTHER")]
    other: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    app.api
        .act("DELETE", &app.noon_path(&format!("/links/{}", args.other)))?;
    context
        .out
        .line(format_args!("{} reaches {} no more.", app.name, args.other))
}
