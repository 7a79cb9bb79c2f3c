use noon_wire::Build;

use super::find;
use crate::context::Context;
use crate::error::Result;

/// Shows one build; the newest where none is named.
///
/// Example:
///   noon builds info 3f2a
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Its id, or the beginning of it.
    id: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let build = find(&context.app()?, args.id.as_deref())?;
    if args.json {
        context.out.json(&build)
    } else {
        context.out.table(&rows(build))
    }
}

fn rows(build: Build) -> Vec<Vec<String>> {
    let none = || "none".to_owned();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    vec![
        row("Build:", build.id.to_string()),
        row("Status:", build.status),
        row("Commit:", build.source_blob.version.unwrap_or_else(none)),
        row("By:", build.user.email),
        row("Stack:", build.stack),
        row(
            "Slug:",
            build.slug.map_or_else(none, |slug| slug.id.to_string()),
        ),
        row("Began:", build.created_at.to_string()),
        row("Changed:", build.updated_at.to_string()),
    ]
}
