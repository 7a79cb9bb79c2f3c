//! Starting a shim, and clearing up after one that was killed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::envelope::{Envelope, Wiring};
use crate::program::{Lent, first_answer};
use crate::sys::{file, socket};
use crate::{Error, Shim, ShimProgram, Spec, Stdio, cgroup, check, protocol, rootless};

/// Starts a shim in `dir` (existing, empty, 0700) and returns once the command was exec'ed.
///
/// The shim makes itself independent of the caller and survives it.
///
/// # Errors
/// [`Error::Spec`] when the spec asks for what cannot be, [`Error::Start`] with the step that
/// failed, [`Error::Shim`] when the shim itself could not be run. Nothing is left behind then.
pub fn launch(shim: &ShimProgram, dir: &Path, spec: &Spec, stdio: Stdio) -> Result<Shim, Error> {
    check::spec(spec)?;
    let directory = dir
        .canonicalize()
        .map_err(|source| cannot_open(dir, source))?;
    let dir = file::open_dir(dir).map_err(|source| cannot_open(dir, source))?;
    let template = shim.template()?;
    let lent = shim.lent(spec.uid);
    let (mut child, connection) = shim.start().map_err(Error::Shim)?;
    let (wiring, stdio) = wire(stdio);
    let envelope = Envelope {
        spec: spec.clone(),
        wiring,
        nested: rootless::is_nested(),
        directory,
        lent: lent.as_deref().map(|lent| lent.owner),
    };
    let lent = lent.as_deref().map(|lent| &lent.namespace);
    let first = [&dir, &template.namespace, &template.root];
    // In the order in which the shim takes them.
    let fds = first.into_iter().chain(lent).chain(&stdio);
    let sent = send(
        &connection,
        &envelope,
        &fds.map(AsRawFd::as_raw_fd).collect::<Vec<_>>(),
    );
    // The shim's first process leaves as soon as the second stands.
    child.wait().map_err(Error::Shim)?;
    let answer = match (first_answer(&connection), sent) {
        (Ok(answer), _) => answer,
        (Err(Error::Shim(_)), Err(source)) => return Err(Error::Shim(source)),
        (Err(error), _) => return Err(error),
    };
    let mut fds = answer.fds.into_iter();
    let watch = fds
        .next()
        .ok_or_else(|| Error::Shim(io::Error::from(io::ErrorKind::InvalidData)))?;
    if let (Some(owner), Some(namespace)) = (answer.lends, fds.next()) {
        shim.keep_lent(spec.uid, Lent { owner, namespace });
    }
    Ok(Shim::launched(connection, watch))
}

fn cannot_open(dir: &Path, source: io::Error) -> Error {
    Error::Start {
        step: format!("opening {}", dir.display()),
        source,
    }
}

pub(crate) fn wire(stdio: Stdio) -> (Wiring, Vec<OwnedFd>) {
    match stdio {
        Stdio::Piped => (Wiring::Piped, Vec::new()),
        Stdio::Attached {
            stdin,
            stdout,
            stderr,
        } => (Wiring::Attached, vec![stdin, stdout, stderr]),
        Stdio::Terminal(inner) => (Wiring::Terminal, vec![inner]),
    }
}

fn send(connection: &OwnedFd, envelope: &Envelope, fds: &[RawFd]) -> io::Result<()> {
    let bytes = envelope.encode();
    socket::send(connection.as_fd(), &protocol::launch(bytes.len()), fds, 0)?;
    for part in bytes.chunks(protocol::LONGEST) {
        socket::send(connection.as_fd(), part, &[], 0)?;
    }
    Ok(())
}

/// Removes what a shim that was killed left behind (its cgroups, its socket); `dir` itself stays.
///
/// For a directory in which [`Shim::connect`] found nobody. Idempotent.
///
/// # Errors
/// [`Error::Start`] naming the cgroup that would not go.
pub fn clear(dir: &Path) -> Result<(), Error> {
    let directory = dir
        .canonicalize()
        .map_err(|source| cannot_open(dir, source))?;
    let step = || format!("removing the cgroups of {}", dir.display());
    cgroup::clear(&directory).map_err(|source| Error::Start {
        step: step(),
        source,
    })?;
    match std::fs::remove_file(dir.join(protocol::SOCKET)) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Start {
            step: format!("removing the socket of {}", dir.display()),
            source,
        }),
        _ => Ok(()),
    }
}
