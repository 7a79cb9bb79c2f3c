//! One change of config vars: one request, one release.

use std::collections::BTreeMap;

use crate::client;
use crate::context::Context;
use crate::error::Result;

/// What becomes of each var: a value sets it, `None` removes it.
pub type Change = BTreeMap<String, Option<String>>;

/// Asks for the change and waits for the release that it makes.
pub fn apply(context: &Context, change: &Change) -> Result<()> {
    let app = context.app()?;
    let before = app.newest_version()?;
    let _: BTreeMap<String, String> = app.patch("/config-vars", change)?;
    let after = app.newest_version()?;
    if after == before {
        return context
            .out
            .line("Nothing changed: the config vars were so already.");
    }
    let release = client::follow(&context.out, &app, after)?;
    context
        .out
        .line(format_args!("v{after}: {}", release.description))
}
