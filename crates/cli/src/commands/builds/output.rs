use super::find;
use crate::client;
use crate::context::Context;
use crate::error::{Error, Result};

/// Prints what a build printed; the newest where none is named.
///
/// Example:
///   noon builds output -f
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Its id, or the beginning of it.
    id: Option<String>,
    /// Goes on until a build that is under way ends.
    #[arg(short, long)]
    follow: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let build = find(&app, args.id.as_deref())?;
    if build.status == "pending" && !args.follow {
        let hint = format!("noon builds output {} -f", &build.id.to_string()[..8]);
        return Err(Error::usage("the build is still under way", hint));
    }
    let reader = app
        .api
        .stream(&build.output_stream_url, "text/plain", None)?;
    let mut printed = Ok(());
    client::copy(reader, &mut |bytes| {
        if printed.is_ok() {
            printed = context.out.bytes(bytes);
        }
    })?;
    printed
}
