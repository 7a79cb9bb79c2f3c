use noon_wire::{Release, Rollback};

use super::releases::parse_version;
use crate::client::{self, AppApi};
use crate::context::Context;
use crate::error::{Error, Result};

/// Takes up an earlier release again: its code and its config vars, as a new release.
///
/// Without VERSION it is the last good one before the current.
///
/// Example:
///   noon rollback
///   noon rollback v12
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// As in v12.
    version: Option<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let version = args.version.as_deref().map(parse_version).transpose()?;
    let app = context.app()?;
    let target = match version {
        Some(version) => app.release(version)?,
        None => last_good(&app)?,
    };
    context.out.note(format_args!(
        "Rolling {} back to v{}.",
        app.name, target.version
    ));
    let body = Rollback {
        release: target.id.to_string(),
    };
    let release: Release = app.post("/releases", &body)?;
    let release = client::follow(&context.out, &app, release.version)?;
    context.out.line(format_args!(
        "v{}: {}",
        release.version, release.description
    ))
}

fn last_good(app: &AppApi) -> Result<Release> {
    let releases: Vec<Release> = app.list("/releases")?;
    before_current(releases)
        .ok_or_else(|| Error::Missing(format!("{} has no earlier release to go back to", app.name)))
}

fn before_current(releases: Vec<Release>) -> Option<Release> {
    let current = releases.iter().find(|release| release.current)?.version;
    let earlier = releases
        .into_iter()
        .filter(|release| release.version < current);
    earlier
        .filter(|release| release.eligible_for_rollback)
        .max_by_key(|release| release.version)
}
