use noon_wire::{Formation, FormationUpdate, FormationUpdates};

use crate::context::Context;
use crate::error::{Error, Result};

/// Says how large the processes of each type may grow, and waits until they are replaced.
///
///   eco, basic, standard-1x   512 MiB of memory,   256 tasks,   1 share of the CPU
///   standard-2x                 1 GiB              512          2
///   performance-m             2.5 GiB           16,384         12
///   performance-l              14 GiB           32,768         50
///
/// Unless told otherwise it is standard-1x. What a process writes to /app and /tmp is memory and
/// counts too; it may be as much as the size's memory. A process over its memory is told of in the
/// log (R14), and at twice as much it is ended (R15). Shares of the CPU count only while there is
/// not enough of it for all.
///
/// Processes are replaced new beside old, so that no request fails. A size stays through deploys.
/// The release phase has a size too. Without any change it shows the sizes.
///
/// Example:
///   noon ps resize
///   noon ps resize web=standard-2x worker=performance-m
///   noon ps resize standard-1x
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// As in web=standard-2x; a size alone is for all types.
    #[arg(value_name = "TYPE=SIZE")]
    changes: Vec<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let mut formation = app.whole_formation()?;
    if !args.changes.is_empty() {
        let updates = updates(&args.changes, &formation)?;
        formation = app.patch("/formation", &FormationUpdates { updates })?;
    }
    if args.json {
        return context.out.json(&formation);
    }
    let row = |entry: &Formation| {
        vec![
            entry.kind.clone(),
            entry.size.clone(),
            entry.quantity.to_string(),
            entry.command.clone(),
        ]
    };
    context
        .out
        .table(&formation.iter().map(row).collect::<Vec<_>>())
}

fn updates(changes: &[String], formation: &[Formation]) -> Result<Vec<FormationUpdate>> {
    let update = |kind: &str, size: &str| FormationUpdate {
        kind: kind.to_owned(),
        quantity: None,
        size: Some(size.to_owned()),
        dyno_size: None,
    };
    let mut updates = Vec::new();
    for change in changes {
        match change.split_once('=') {
            Some((kind, size)) if !kind.is_empty() && !size.is_empty() => {
                updates.push(update(kind, size));
            }
            None if changes.len() == 1 && !formation.is_empty() => {
                let of_all = formation.iter().map(|entry| update(&entry.kind, change));
                updates.extend(of_all);
            }
            _ => {
                let sentence = format!("{change:?} does not say how large what shall be");
                return Err(Error::usage(sentence, "noon ps resize web=standard-2x"));
            }
        }
    }
    Ok(updates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formation(kinds: &[&str]) -> Vec<Formation> {
        let types = kinds.iter().map(|kind| {
            serde_json::json!({
                "app": {"id": uuid::Uuid::nil(), "name": "x"}, "command": "c",
                "created_at": "2026-11-21T00:00:00Z", "updated_at": "2026-11-21T00:00:00Z",
                "dyno_size": {"id": uuid::Uuid::nil(), "name": "standard-1x"},
                "id": uuid::Uuid::nil(), "quantity": 1, "size": "standard-1x", "type": kind,
            })
        });
        types
            .map(|json| serde_json::from_value(json).unwrap())
            .collect()
    }

    #[test]
    fn a_size_is_for_one_type_or_for_all() {
        let shown = |changes: &[&str]| -> Option<String> {
            let changes: Vec<_> = changes.iter().map(|c| (*c).to_owned()).collect();
            let updates = updates(&changes, &formation(&["web", "release"])).ok()?;
            let shown = updates
                .iter()
                .map(|u| format!("{} {}", u.kind, u.size.as_ref().unwrap()));
            Some(shown.collect::<Vec<_>>().join(", "))
        };
        for (changes, expected) in [
            (&["web=standard-2x"][..], Some("web standard-2x")),
            (&["web=a", "worker=b"], Some("web a, worker b")),
            (&["basic"], Some("web basic, release basic")),
            (&["basic", "web=a"], None),
            (&["web="], None),
            (&["=basic"], None),
        ] {
            assert_eq!(shown(changes).as_deref(), expected, "{changes:?}");
        }
    }
}
