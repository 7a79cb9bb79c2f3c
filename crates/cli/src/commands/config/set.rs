use std::io::Read;

use noon_domain::ConfigKey;

use super::change::{self, Change};
use crate::context::Context;
use crate::error::{Error, Result};

/// Sets config vars, all at once: one release, one restart.
///
/// NAME=- reads the value from stdin and NAME=@FILE from a file, so that it is in no history and
/// no list of processes. A line end at the very end is left out.
///
/// Example:
///   noon config set GREETING=hello LIMIT=3
///   openssl rand -hex 32 | noon config set SECRET=-
///   noon config set TLS_KEY=@key.pem
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Names and values.
    #[arg(required = true, value_name = "NAME=VALUE")]
    vars: Vec<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    change::apply(context, &parse(&args.vars, &mut std::io::stdin())?)
}

fn parse(vars: &[String], stdin: &mut impl Read) -> Result<Change> {
    if vars.iter().filter(|var| var.ends_with("=-")).count() > 1 {
        let hint = "set the others in a command of their own";
        return Err(Error::usage("stdin can hold one value only", hint));
    }
    let mut change = Change::new();
    for var in vars {
        let hint = "noon config set NAME=VALUE";
        let (name, value) = var
            .split_once('=')
            .ok_or_else(|| Error::usage(format!("{var:?} has no ="), hint))?;
        let key: ConfigKey = name
            .parse()
            .map_err(|e| Error::usage(format!("{e}"), hint))?;
        change.insert(key.to_string(), Some(read_value(value, stdin)?));
    }
    Ok(change)
}

fn read_value(value: &str, stdin: &mut impl Read) -> Result<String> {
    let mut text = String::new();
    if value == "-" {
        stdin
            .read_to_string(&mut text)
            .map_err(Error::io("reading the value from stdin"))?;
    } else if let Some(file) = value.strip_prefix('@') {
        text = std::fs::read_to_string(file).map_err(|error| {
            let sentence = format!("the value's file {file} cannot be read: {error}");
            Error::usage(
                sentence,
                "a value that begins with @ can be given on stdin: NAME=-",
            )
        })?;
    } else {
        return Ok(value.to_owned());
    }
    let trimmed = text
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text));
    Ok(trimmed.map_or(text.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(vars: &[&str], stdin: &str) -> Result<Change> {
        let vars: Vec<String> = vars.iter().map(|var| (*var).to_owned()).collect();
        parse(&vars, &mut stdin.as_bytes())
    }

    #[test]
    fn values_come_from_the_line_from_stdin_and_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "line 1\nline 2\n").unwrap();
        let from_file = format!("C=@{}", file.display());
        let change = parsed(&["A=x=y", "B=-", &from_file, "D="], "typed\r\n").unwrap();
        let expected = [
            ("A", "x=y"),
            ("B", "typed"),
            ("C", "line 1\nline 2"),
            ("D", ""),
        ];
        let expected = expected.map(|(k, v)| (k.to_owned(), Some(v.to_owned())));
        assert_eq!(change, Change::from(expected));
    }

    #[test]
    fn a_slip_changes_nothing_and_is_named() {
        for (vars, complaint) in [
            (&["A"] as &[&str], "\"A\" has no ="),
            (&["A=1", "1B=2"], "\"1B\" is no config var name"),
            (&["PORT=1"], "PORT is reserved"),
            (&["A=-", "B=-"], "stdin can hold one value only"),
            (&["A=@/nowhere/at/all"], "/nowhere/at/all cannot be read"),
        ] {
            let error = parsed(vars, "").unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
