//! Starting a shim.

use std::io;
use std::path::Path;

use crate::{Error, Shim, ShimProgram, Spec, Stdio};

/// Starts a shim in `dir` (existing, empty, 0700) and returns once the command was exec'ed.
///
/// The shim makes itself independent of the caller and survives it. Errors name the step that failed.
pub fn launch(shim: &ShimProgram, dir: &Path, spec: &Spec, stdio: Stdio) -> Result<Shim, Error> {
    let _ = (shim, dir, spec, stdio);
    Err(Error::Shim(io::Error::from(io::ErrorKind::Unsupported)))
}

/// Removes what a shim that was killed left behind (its cgroups, its socket); `dir` itself stays.
///
/// For a directory in which [`Shim::connect`] found nobody. Idempotent.
pub fn clear(dir: &Path) -> Result<(), Error> {
    let _ = dir;
    Ok(())
}
