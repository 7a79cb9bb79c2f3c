use noon_wire::Release;

use super::parse_version;
use crate::context::Context;
use crate::error::Result;

/// Shows one release; the current one where none is named.
///
/// Example:
///   noon releases info v12
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// As in v12.
    version: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let version = args.version.as_deref().map(parse_version).transpose()?;
    let app = context.app()?;
    let release = match version {
        Some(version) => app.release(version)?,
        None => app.current_release()?,
    };
    if args.json {
        return context.out.json(&release);
    }
    let why = app.reason_of_outcome(release.version);
    context.out.table(&rows(&release, why))
}

fn rows(release: &Release, why: String) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let slug = release.slug.as_ref().map(|slug| slug.id.to_string());
    let mut rows = vec![
        row("Release:", format!("v{}", release.version)),
        row("Change:", release.description.clone()),
        row("By:", release.user.email.clone()),
        row("When:", release.created_at.to_string()),
        row("Status:", release.status.clone()),
        row("Current:", yes(release.current)),
        row("Can be rolled back to:", yes(release.eligible_for_rollback)),
        row("Slug:", slug.unwrap_or_else(|| "none".to_owned())),
    ];
    if release.status == "failed" && !why.is_empty() {
        rows.push(row("Why:", why));
    }
    rows
}
