use noon_wire::Build;

use super::newest_first;
use crate::ago;
use crate::context::Context;
use crate::error::Result;
use crate::output::{Colour, Output};

/// Shows the newest builds, newest first.
///
/// Example:
///   noon builds list -n 50
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[group(skip)]
pub struct Args {
    /// How many.
    #[arg(short = 'n', long, default_value_t = 15, value_name = "COUNT")]
    num: usize,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let mut builds = newest_first(&context.app()?)?;
    builds.truncate(args.num);
    if args.json {
        return context.out.json(&builds);
    }
    let rows: Vec<_> = builds
        .iter()
        .map(|build| cells(&context.out, build))
        .collect();
    context.out.table(&rows)
}

fn cells(out: &Output, build: &Build) -> Vec<String> {
    let colour = match build.status.as_str() {
        "succeeded" => Colour::Green,
        "failed" => Colour::Red,
        _ => Colour::Yellow,
    };
    let commit = build.source_blob.version.as_deref().unwrap_or_default();
    vec![
        build.id.to_string()[..8].to_owned(),
        out.paint(colour, &build.status),
        commit.chars().take(8).collect(),
        build.user.email.clone(),
        format!("{} ago", ago::since(build.created_at)),
    ]
}
