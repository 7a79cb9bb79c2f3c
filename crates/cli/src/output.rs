//! Where results go (stdout) and where all else goes (stderr).

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::error::{Error, Result};

/// What a command may print, and how.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether results are colourful.
    pub is_colourful: bool,
    /// Whether a person watches stderr.
    pub is_watched: bool,
}

/// A colour, as terminals number them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// Trouble.
    Red = 31,
    /// All is well.
    Green = 32,
    /// Under way.
    Yellow = 33,
    /// Names.
    Cyan = 36,
}

impl Output {
    /// Looks at the terminal once.
    pub fn new(is_colour_allowed: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_colourful: is_colour_allowed && !is_dumb && io::stdout().is_terminal(),
            is_watched: io::stderr().is_terminal(),
        }
    }

    /// One line of a result.
    ///
    /// # Errors
    /// [`Error::ReaderGone`] where nobody reads it.
    pub fn line(&self, line: impl Display) -> Result<()> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// A result as it is.
    ///
    /// # Errors
    /// [`Error::ReaderGone`] where nobody reads it.
    pub fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Error::ReaderGone,
                _ => Error::io("writing the result")(error),
            })
    }

    /// A result as JSON.
    ///
    /// # Errors
    /// [`Error::ReaderGone`] where nobody reads it.
    pub fn json<T: Serialize>(&self, value: &T) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Error::io("writing JSON")(io::Error::other(error)))?;
        self.line(text)
    }

    /// A table, its columns aligned.
    ///
    /// # Errors
    /// [`Error::ReaderGone`] where nobody reads it.
    pub fn table(&self, rows: &[Vec<String>]) -> Result<()> {
        self.bytes(table(rows).as_bytes())
    }

    /// A remark beside the result. Nobody may be there to read it.
    pub fn note(&self, note: impl Display) {
        let _ = writeln!(io::stderr(), "{note}");
    }

    /// Bytes of someone else's output beside the result.
    pub fn pass_on(&self, bytes: &[u8]) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
    }

    /// A text in a colour, where colours are shown.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        if self.is_colourful {
            format!("\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            text.to_owned()
        }
    }
}

/// Rows with their columns aligned; the last column is left as it is.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| shown_width(cell))
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    rows.iter()
        .map(|row| table_row(row, &widths) + "\n")
        .collect()
}

fn table_row(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().enumerate().map(|(column, cell)| {
        let pad = widths[column].saturating_sub(shown_width(cell));
        format!(
            "{cell}{}",
            " ".repeat(if column + 1 < row.len() { pad + 2 } else { 0 })
        )
    });
    cells.collect::<String>().trim_end().to_owned()
}

/// How many characters a cell takes, its colours left out.
fn shown_width(cell: &str) -> usize {
    let mut is_colour = false;
    let mut width = 0;
    for c in cell.chars() {
        match (is_colour, c) {
            (false, '\x1b') => is_colour = true,
            (true, 'm') => is_colour = false,
            (true, _) => {}
            (false, _) => width += 1,
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_whatever_their_colours() {
        let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let text = table(&[
            row(&["a", "long", "x"]),
            row(&["\x1b[31mabc\x1b[0m", "b", "y"]),
        ]);
        assert_eq!(text, "a    long  x\n\x1b[31mabc\x1b[0m  b     y\n");
    }
}
