//! The terminal: its size, its modes, and what it must not be told.

mod raw;

use std::io::{self, BufRead, IsTerminal, Read, Write};

use noon_domain::Secret;
pub use raw::RawMode;

use crate::error::{Error, Result};

/// Whether both ends of a conversation are a terminal.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Columns and rows of the terminal behind stdout.
pub fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Asks for one line. Where a person types it, it is asked for by `question` on stderr.
///
/// # Errors
/// [`Error::Io`] where stdin cannot be read.
pub fn ask(question: &str) -> Result<String> {
    if io::stdin().is_terminal() {
        let _ = write!(io::stderr(), "{question} ");
    }
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(Error::io("reading stdin"))?;
    Ok(line.trim().to_owned())
}

/// Asks for one line that is not shown while it is typed.
///
/// # Errors
/// [`Error::Io`] where stdin cannot be read, [`Error::Interrupted`] at Ctrl-C.
pub fn ask_secret(question: &str) -> Result<Secret<String>> {
    if !io::stdin().is_terminal() {
        return ask(question).map(Secret::new);
    }
    let _ = write!(io::stderr(), "{question} ");
    // Every key comes here, Ctrl-C too: so the modes are put back whatever is typed.
    let raw = RawMode::every_key().map_err(Error::io("setting up the terminal"))?;
    let typed = read_keys(&mut io::stdin().lock());
    drop(raw);
    let _ = writeln!(io::stderr());
    typed.map(Secret::new)
}

fn read_keys(keys: &mut impl Read) -> Result<String> {
    let mut typed = Vec::new();
    let mut key = [0];
    while keys
        .read(&mut key)
        .map_err(Error::io("reading the terminal"))?
        == 1
    {
        match key[0] {
            b'\r' | b'\n' | 0x04 => break,
            0x03 => return Err(Error::Interrupted(2)),
            0x08 | 0x7f => drop(typed.pop()),
            byte => typed.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&typed).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_line_can_be_corrected_and_called_off() {
        for (keys, typed) in [
            ("abd\x7fc\r", Some("abc")),
            ("x\n", Some("x")),
            ("ab\x03", None),
        ] {
            assert_eq!(
                read_keys(&mut keys.as_bytes()).ok().as_deref(),
                typed,
                "{keys:?}"
            );
        }
    }
}
