use std::collections::BTreeMap;
use std::time::Duration;

use noon_wire::noon::ProcessInfo;
use noon_wire::{Formation, FormationUpdate, FormationUpdates, Quantity};

use crate::client::AppApi;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Says how many processes of each type there shall be and how large, and waits until they are up.
///
/// All changes are made, or none. Without any it shows how many there shall be now.
///
/// Example:
///   noon ps scale web=3 worker+1
///   noon ps scale worker=0
///   noon ps scale web=2:standard-2x
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// As in web=3, web=2:standard-2x, worker+1 or worker-1.
    #[arg(value_name = "TYPE=QUANTITY[:SIZE]")]
    changes: Vec<String>,
    /// Does not wait.
    #[arg(long)]
    no_wait: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

const PAUSE: Duration = Duration::from_millis(150);
const LIMIT: Duration = Duration::from_secs(90);

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let updates = args
        .changes
        .iter()
        .map(|text| parse(text))
        .collect::<Result<Vec<_>>>()?;
    let app = context.app()?;
    if updates.is_empty() {
        return show(context, &app.formation()?, args.json);
    }
    let kinds: Vec<String> = updates.iter().map(|update| update.kind.clone()).collect();
    let formation: Vec<Formation> = app.patch("/formation", &FormationUpdates { updates })?;
    let wanted: BTreeMap<String, usize> = formation
        .iter()
        .filter(|entry| kinds.contains(&entry.kind))
        .map(|entry| (entry.kind.clone(), entry.quantity as usize))
        .collect();
    if !args.no_wait && app.show()?.slug_size.is_some() {
        wait(context, &app, &wanted)?;
    }
    let changed: Vec<Formation> = formation
        .into_iter()
        .filter(|entry| kinds.contains(&entry.kind))
        .collect();
    show(context, &changed, args.json)
}

fn show(context: &Context, formation: &[Formation], is_json: bool) -> Result<()> {
    if is_json {
        return context.out.json(&formation);
    }
    let row = |entry: &Formation| {
        vec![
            entry.kind.clone(),
            entry.quantity.to_string(),
            entry.size.clone(),
            entry.command.clone(),
        ]
    };
    context
        .out
        .table(&formation.iter().map(row).collect::<Vec<_>>())
}

fn parse(text: &str) -> Result<FormationUpdate> {
    let (kind, wanted) = match text.split_once('=') {
        Some((kind, wanted)) => (kind, wanted),
        None => text.split_at(text.rfind(['+', '-']).unwrap_or(text.len())),
    };
    let (quantity, size) = match wanted.split_once(':') {
        Some((quantity, size)) => (quantity, Some(size)),
        None => (wanted, None),
    };
    let is_absolute = text.contains('=');
    let digits = quantity
        .strip_prefix(['+', '-'])
        .filter(|_| !is_absolute)
        .unwrap_or(quantity);
    let is_counted = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if kind.is_empty() || !is_counted || size == Some("") {
        let sentence = format!("{text:?} does not say how many of what");
        return Err(Error::usage(
            sentence,
            "noon ps scale web=2, or web=2:standard-2x, or worker+1, or worker-1",
        ));
    }
    let quantity = Some(Quantity::Text(quantity.to_owned()));
    Ok(FormationUpdate {
        kind: kind.to_owned(),
        quantity,
        size: size.map(str::to_owned),
        dyno_size: None,
    })
}

fn wait(context: &Context, app: &AppApi, wanted: &BTreeMap<String, usize>) -> Result<()> {
    let mut progress = Progress::new(&context.out, format!("Scaling {}", app.name));
    loop {
        match judge(wanted, &app.processes()?) {
            Verdict::Up => return Ok(()),
            Verdict::Crashed(names) => return Err(Error::Crashed(names)),
            Verdict::Waiting(what) if progress.elapsed() > LIMIT => {
                return Err(Error::TimedOut {
                    what,
                    seconds: LIMIT.as_secs(),
                });
            }
            Verdict::Waiting(_) => progress.pause(PAUSE),
        }
    }
}

/// How far the processes are from what is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Up,
    Crashed(Vec<String>),
    Waiting(String),
}

fn judge(wanted: &BTreeMap<String, usize>, processes: &[ProcessInfo]) -> Verdict {
    let kind = |process: &ProcessInfo| match process.name.rsplit_once('.') {
        Some((kind, _)) => kind.to_owned(),
        None => process.name.clone(),
    };
    let of = |state: &str| {
        processes
            .iter()
            .filter(|p| p.state == state)
            .collect::<Vec<_>>()
    };
    let crashed = of("crashed")
        .into_iter()
        .filter(|p| wanted.contains_key(&kind(p)));
    let crashed: Vec<String> = crashed.map(|process| process.name.clone()).collect();
    if !crashed.is_empty() {
        return Verdict::Crashed(crashed);
    }
    let missing = wanted.iter().find_map(|(name, quantity)| {
        let up = of("up")
            .into_iter()
            .filter(|process| kind(process) == *name)
            .count();
        (up != *quantity).then(|| format!("{up} of {quantity} {name} processes are up"))
    });
    missing.map_or(Verdict::Up, Verdict::Waiting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_absolute_or_relative() {
        for (text, kind, quantity) in [
            ("web=2", "web", "2"),
            ("worker+1", "worker", "+1"),
            ("worker-1", "worker", "-1"),
            ("my-worker-12", "my-worker", "-12"),
        ] {
            let update = parse(text).unwrap();
            assert_eq!(update.kind, kind);
            assert_eq!(update.quantity, Some(Quantity::Text(quantity.to_owned())));
        }
        let sized = parse("web=2:standard-2x").unwrap();
        assert_eq!(sized.quantity, Some(Quantity::Text("2".to_owned())));
        assert_eq!(sized.size.as_deref(), Some("standard-2x"));
        for bad in [
            "web",
            "web=",
            "=2",
            "web=two",
            "web=+1",
            "web=-1",
            "web=1:",
            "web=:standard-2x",
            "web:standard-2x",
            "+1",
            "web=1.5",
            "web--",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scaling_ends_when_as_many_are_up_as_wanted_or_one_has_crashed() {
        let process = |line: &str| {
            let (name, state) = line.split_once(' ').unwrap();
            ProcessInfo {
                id: uuid::Uuid::nil(),
                name: name.to_owned(),
                state: state.to_owned(),
                boot_ms: None,
                last_stop_ms: None,
                expires_at: None,
            }
        };
        let wanted = BTreeMap::from([("web".to_owned(), 2), ("worker".to_owned(), 0)]);
        let waiting = |text: &str| Verdict::Waiting(text.to_owned());
        for (lines, verdict) in [
            ("web.1 up,web.2 up", Verdict::Up),
            (
                "web.1 up,web.2 starting",
                waiting("1 of 2 web processes are up"),
            ),
            ("web.1 up,web.2 up,web.3 draining", Verdict::Up),
            (
                "web.1 up,web.2 up,web.3 up",
                waiting("3 of 2 web processes are up"),
            ),
            (
                "web.1 up,web.2 up,worker.1 up",
                waiting("1 of 0 worker processes are up"),
            ),
            (
                "web.1 up,web.2 crashed",
                Verdict::Crashed(vec!["web.2".to_owned()]),
            ),
            ("web.1 up,web.2 up,clock.1 crashed", Verdict::Up),
        ] {
            let processes: Vec<_> = lines.split(',').map(process).collect();
            assert_eq!(judge(&wanted, &processes), verdict, "{lines}");
        }
    }
}
