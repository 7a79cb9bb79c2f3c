use noon_wire::Release;

use crate::ago;
use crate::context::Context;
use crate::error::Result;
use crate::output::{Colour, Output};

/// Shows the newest releases, newest first.
///
/// Example:
///   noon releases list -n 50
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
    let releases = context.app()?.newest_releases(args.num)?;
    if args.json {
        return context.out.json(&releases);
    }
    let rows: Vec<_> = releases
        .iter()
        .map(|release| cells(&context.out, release))
        .collect();
    context.out.table(&rows)
}

fn cells(out: &Output, release: &Release) -> Vec<String> {
    let status = match (release.status.as_str(), release.current) {
        (_, true) => out.paint(Colour::Green, "current"),
        ("failed", _) => out.paint(Colour::Red, "failed"),
        ("pending", _) => out.paint(Colour::Yellow, "pending"),
        _ => String::new(),
    };
    vec![
        format!("v{}", release.version),
        release.description.clone(),
        release.user.email.clone(),
        format!("{} ago", ago::since(release.created_at)),
        status,
    ]
}
