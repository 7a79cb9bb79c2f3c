use super::parse_version;
use crate::client;
use crate::context::Context;
use crate::error::Result;

/// Prints what a release's release phase printed; of the newest where none is named.
///
/// Example:
///   noon releases output v12
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// As in v12.
    version: Option<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let version = match args.version {
        Some(text) => parse_version(&text)?,
        None => app.newest_version()?,
    };
    let release = app.release(version)?;
    let mut printed = Ok(());
    let is_there = client::stream_release_output(&app, &release, &mut |bytes| {
        if printed.is_ok() {
            printed = context.out.bytes(bytes);
        }
    })?;
    if !is_there {
        context.out.note(format_args!(
            "v{version} has no output: it had no release phase."
        ));
    }
    printed
}
