use std::collections::BTreeMap;

use noon_wire::noon::ProcessInfo;
use noon_wire::{Dyno, Formation, Time};
use serde::Serialize;
use uuid::Uuid;

use crate::ago;
use crate::context::Context;
use crate::error::Result;
use crate::output::{Colour, Output, table};

/// Shows the processes of an app, by type: the state of each, since when, how long it took to
/// boot, and how long the last one in its place took to stop.
///
/// Example:
///   noon ps list --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[group(skip)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// One process, as both lists together describe it.
#[derive(Clone, Debug, Serialize)]
struct Row {
    id: Uuid,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    state: String,
    release: u32,
    size: String,
    command: String,
    started_at: Time,
    since: Time,
    boot_ms: Option<u64>,
    last_stop_ms: Option<u64>,
    expires_at: Option<Time>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let rows = joined(app.dynos()?, app.processes()?);
    if args.json {
        return context.out.json(&rows);
    }
    let formation = app.formation()?;
    if rows.is_empty() && formation.is_empty() {
        context.out.note(format_args!(
            "{} has no processes: git push noon main",
            app.name
        ));
    }
    context
        .out
        .bytes(show(&context.out, &rows, &formation).as_bytes())
}

fn joined(dynos: Vec<Dyno>, processes: Vec<ProcessInfo>) -> Vec<Row> {
    let mut details: BTreeMap<_, _> = processes.into_iter().map(|p| (p.id, p)).collect();
    let row = |dyno: Dyno| {
        let detail = details.remove(&dyno.id);
        Row {
            boot_ms: detail.as_ref().and_then(|detail| detail.boot_ms),
            last_stop_ms: detail.as_ref().and_then(|detail| detail.last_stop_ms),
            expires_at: detail.as_ref().and_then(|detail| detail.expires_at),
            state: detail.map_or(dyno.state, |detail| detail.state),
            id: dyno.id,
            name: dyno.name,
            kind: dyno.kind,
            release: dyno.release.version,
            size: dyno.size,
            command: dyno.command,
            started_at: dyno.created_at,
            since: dyno.updated_at,
        }
    };
    let mut rows: Vec<Row> = dynos.into_iter().map(row).collect();
    rows.sort_by_key(|row| (row.kind.clone(), number(&row.name), row.name.clone()));
    rows
}

fn number(name: &str) -> u32 {
    name.rsplit('.')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn show(out: &Output, rows: &[Row], formation: &[Formation]) -> String {
    let mut text = String::new();
    let mut kinds: Vec<&str> = formation.iter().map(|entry| entry.kind.as_str()).collect();
    kinds.extend(rows.iter().map(|row| row.kind.as_str()));
    let mut seen = std::collections::BTreeSet::new();
    for kind in kinds.into_iter().filter(|kind| seen.insert(*kind)) {
        let of_kind: Vec<&Row> = rows.iter().filter(|row| row.kind == kind).collect();
        let entry = formation.iter().find(|entry| entry.kind == kind);
        let wanted = entry.map_or(of_kind.len(), |entry| entry.quantity as usize);
        let size = entry.map_or_else(String::new, |entry| format!(" x {}", entry.size));
        let command = entry.map_or("one-off processes", |entry| entry.command.as_str());
        text += &format!(
            "=== {} ({wanted}{size}): {command}\n",
            out.paint(Colour::Cyan, kind)
        );
        text += &table(
            &of_kind
                .into_iter()
                .map(|row| cells(out, row))
                .collect::<Vec<_>>(),
        );
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    if text.is_empty() { text } else { text + "\n" }
}

fn cells(out: &Output, row: &Row) -> Vec<String> {
    let colour = match row.state.as_str() {
        "up" => Colour::Green,
        "crashed" => Colour::Red,
        _ => Colour::Yellow,
    };
    let boot = row.boot_ms.map(|boot_ms| format!("booted in {boot_ms} ms"));
    let ends = row
        .expires_at
        .map(|at| format!("ends in {}", ago::until(at)));
    let stop = row.last_stop_ms.map(|ms| format!("last stop took {ms} ms"));
    vec![
        row.name.clone(),
        out.paint(colour, &row.state),
        format!("v{}", row.release),
        format!("for {}", ago::since(row.since)),
        boot.unwrap_or_default(),
        stop.or(ends).unwrap_or_default(),
    ]
}
