use noon_domain::Timeout;
use noon_wire::noon::{TypeLimits, TypeLimitsUpdate};

use crate::context::Context;
use crate::error::{Error, Result};

/// Shows and sets how long the processes of a type may take to boot and to stop.
///
/// A web process that is not ready in time is ended (R10); a process that does not end in time
/// after SIGTERM is killed (R12). The stop timeout is also how long requests under way are waited
/// for before SIGTERM. What is set stays through deploys and holds at once: nothing is restarted.
///
/// Times are from 1s to 1h. `default` goes back to what the server gives to all.
///
/// Example:
///   noon ps limits
///   noon ps limits web --boot-timeout 2m --stop-timeout 90s
///   noon ps limits web --boot-timeout default
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The type, such as web.
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    /// How long from its start until it is ready.
    #[arg(long, value_name = "TIME")]
    boot_timeout: Option<String>,
    /// How long from SIGTERM to its end.
    #[arg(long, value_name = "TIME")]
    stop_timeout: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let update = TypeLimitsUpdate {
        boot_timeout: args.boot_timeout,
        stop_timeout: args.stop_timeout,
    };
    let is_change = update != TypeLimitsUpdate::default();
    let mut limits: Vec<TypeLimits> = match &args.kind {
        Some(kind) if is_change => {
            let path = app.noon_path(&format!("/limits/{kind}"));
            app.api.patch(&path, &update)?
        }
        None if is_change => {
            let sentence = "a timeout is set for one type: name it";
            return Err(Error::usage(
                sentence,
                "noon ps limits web --boot-timeout 2m",
            ));
        }
        _ => app.api.get(&app.noon_path("/limits"))?,
    };
    if let Some(kind) = &args.kind {
        limits.retain(|limits| limits.kind == *kind);
        if limits.is_empty() {
            let missing = format!("{} has no process type {kind}", app.name);
            return Err(Error::Missing(missing));
        }
    }
    if args.json {
        return context.out.json(&limits);
    }
    context
        .out
        .table(&limits.iter().map(row).collect::<Vec<_>>())
}

fn row(limits: &TypeLimits) -> Vec<String> {
    let shown = |what: &str, seconds: u64, is_set: bool| {
        let time = Timeout::from_secs(seconds);
        let time = time.map_or_else(|_| format!("{seconds}s"), |time| time.to_string());
        let whose = if is_set { "" } else { " (default)" };
        format!("{what} within {time}{whose}")
    };
    vec![
        limits.kind.clone(),
        limits.size.clone(),
        shown("boots", limits.boot_timeout, limits.boot_timeout_is_set),
        shown("stops", limits.stop_timeout, limits.stop_timeout_is_set),
    ]
}
