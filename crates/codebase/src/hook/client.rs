//! The hook's own end: no runtime, nothing to wait for but the socket.

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{OBJECTS, SECRET, SOCKET, message};

/// Does what `noon git-hook` does: asks the control role whether git may take this push, and
/// prints what it has to say meanwhile on standard error. Success means that git may.
pub fn run() -> ExitCode {
    match ask() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let why = "the push was not finished, for noon went away meanwhile; push again";
            // Whom else to tell when standard error is gone.
            let _ = writeln!(io::stderr(), " !     {why} ({error})");
            ExitCode::FAILURE
        }
    }
}

fn ask() -> io::Result<bool> {
    let mut stream = connect(&PathBuf::from(variable(SOCKET)?))?;
    let mut request = message::head(&variable(SECRET)?, OBJECTS.map(env::var_os));
    io::stdin().lock().read_to_end(&mut request)?;
    stream.write_all(&request)?;
    stream.shutdown(Shutdown::Write)?;
    relay(BufReader::new(stream))
}

/// Prints lines until the verdict.
fn relay(answers: impl BufRead) -> io::Result<bool> {
    for answer in answers.split(b'\n') {
        let mut answer = answer?;
        match answer.first() {
            Some(b'>') => {
                answer.push(b'\n');
                io::stderr().write_all(&answer[1..])?;
            }
            Some(b'=') => return Ok(answer == b"=0"),
            _ => break,
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Connects through the directory's descriptor, since a path may be longer than a Unix socket's
/// address can be.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let dir = File::open(socket.parent().ok_or_else(missing)?)?;
    let name = socket.file_name().ok_or_else(missing)?;
    UnixStream::connect(PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
}

fn variable(name: &str) -> io::Result<std::ffi::OsString> {
    let missing = || io::Error::other(format!("{name} is not set: only git starts this"));
    env::var_os(name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::relay;

    #[test]
    fn only_an_express_yes_is_a_yes() {
        for (answers, expected) in [
            ("=0\n", Some(true)),
            ("=1\n", Some(false)),
            ("=\n", Some(false)),
            ("", None),
            ("0\n", None),
        ] {
            assert_eq!(relay(answers.as_bytes()).ok(), expected, "{answers:?}");
        }
    }
}
