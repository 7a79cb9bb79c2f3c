//! `noon demo`.

use crate::error::Result;
use crate::output::Output;

/// Runs it.
pub fn run(_: &Output, _: bool) -> Result<()> {
    Ok(())
}
