use noon_wire::{App, Dyno};

use crate::context::Context;
use crate::error::Result;

/// Shows an app: where it answers, where to push, what it runs.
///
/// Example:
///   noon info -a my-app
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let api = context.app()?;
    let app = api.show()?;
    if args.json {
        return context.out.json(&app);
    }
    let dynos = api.dynos()?;
    let version = api
        .newest_releases(50)?
        .into_iter()
        .find(|release| release.current);
    let release = version.map(|release| format!("v{} ({})", release.version, release.description));
    let rows = rows(app, &dynos, release);
    context.out.table(&rows)
}

fn rows(app: App, dynos: &[Dyno], release: Option<String>) -> Vec<Vec<String>> {
    let none = || "none".to_owned();
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("Name:", app.name),
        row("Web:", app.web_url.unwrap_or_else(none)),
        row("Git:", app.git_url),
        row("Owner:", app.owner.email),
        row("Stack:", app.stack.name),
        row("Release:", release.unwrap_or_else(none)),
        row("Processes:", processes(dynos)),
        row("Created:", app.created_at.to_string()),
    ];
    if let Some(bytes) = app.slug_size {
        rows.push(row("Slug:", format!("{:.1} MB", bytes as f64 / 1e6)));
    }
    if app.maintenance {
        rows.push(row("Maintenance:", "on".to_owned()));
    }
    rows
}

fn processes(dynos: &[Dyno]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for dyno in dynos {
        *counts.entry(dyno.kind.as_str()).or_default() += 1;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    if counts.is_empty() {
        "none".to_owned()
    } else {
        counts.join(", ")
    }
}
