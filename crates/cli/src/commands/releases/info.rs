use noon_wire::Release;
use noon_wire::noon::{Spread, TypeTimes};
use serde::Serialize;

use super::parse_version;
use crate::context::Context;
use crate::error::Result;

/// Shows one release, and how long its processes took to boot and to stop; the current release
/// where none is named.
///
/// Of each process type the newest 200 boots and stops count.
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
    let times = app.release_times(release.version)?;
    if args.json {
        return context.out.json(&Timed { release, times });
    }
    let why = app.reason_of_outcome(release.version);
    let mut rows = rows(&release, why);
    rows.extend(times.iter().flat_map(time_rows));
    context.out.table(&rows)
}

/// A release, and what the API says of its times.
#[derive(Debug, Serialize)]
struct Timed {
    #[serde(flatten)]
    release: Release,
    times: Vec<TypeTimes>,
}

fn time_rows(times: &TypeTimes) -> Vec<Vec<String>> {
    let row = |what: &str, spread: Option<Spread>| {
        let Spread {
            count,
            median_ms,
            longest_ms,
        } = spread?;
        let noun = if count == 1 { "time" } else { "times" };
        let text = format!("{count} {noun}: median {median_ms} ms, longest {longest_ms} ms");
        Some(vec![format!("{} {what}:", times.kind), text])
    };
    let rows = [row("booted", times.boots), row("stopped", times.stops)];
    rows.into_iter().flatten().collect()
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
