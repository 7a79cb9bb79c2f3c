//! A release on its way: what its release phase prints, and how it comes out.

use std::io::Read;
use std::time::Duration;

use noon_wire::Release;

use super::AppApi;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::progress::Progress;

const PAUSE: Duration = Duration::from_millis(150);

/// Waits until a release has succeeded, and passes on what its release phase prints.
///
/// # Errors
/// [`Error::ReleaseFailed`] with the reason.
pub fn follow(out: &Output, app: &AppApi, version: u32) -> Result<Release> {
    let mut progress = Progress::new(out, format!("Releasing v{version}"));
    let mut is_shown = false;
    loop {
        let release = app.release(version)?;
        if !is_shown && release.output_stream_url.is_some() {
            progress.clear();
            is_shown = stream_release_output(app, &release, &mut |bytes| out.pass_on(bytes))?;
        }
        match release.status.as_str() {
            "pending" => progress.pause(PAUSE),
            "failed" => {
                return Err(Error::ReleaseFailed {
                    version,
                    why: app.reason_of_outcome(version),
                });
            }
            _ => return Ok(release),
        }
    }
}

/// Passes on what a release phase prints, to its end. Says whether there was anything to ask.
///
/// # Errors
/// Whatever a request can fail with.
pub fn stream_release_output(
    app: &AppApi,
    release: &Release,
    take: &mut dyn FnMut(&[u8]),
) -> Result<bool> {
    let Some(url) = &release.output_stream_url else {
        return Ok(false);
    };
    match app.api.stream(url, "text/plain", None) {
        Ok(reader) => copy(reader, take).map(|()| true),
        Err(Error::Refused { status: 404, .. }) => Ok(false), // not started yet
        Err(error) => Err(error),
    }
}

/// Passes on a body as it comes, to its end.
///
/// # Errors
/// [`Error::Io`] where it breaks off.
pub fn copy(mut reader: impl Read, take: &mut dyn FnMut(&[u8])) -> Result<()> {
    let mut buffer = [0; 8192];
    loop {
        match reader
            .read(&mut buffer)
            .map_err(Error::io("reading the output"))?
        {
            0 => return Ok(()),
            count => take(&buffer[..count]),
        }
    }
}
