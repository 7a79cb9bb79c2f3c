use std::collections::BTreeMap;
use std::time::Duration;

use noon_wire::{Dyno, DynoCreate};

use crate::client::attach;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit;
use crate::shell;
use crate::terminal;

/// Runs a command in a one-off process, with the code and the config vars of the current release.
///
/// With a terminal here it has a terminal there; in a pipe it reads and writes pipes, stdout and
/// stderr apart. Its exit code is handed on. One argument is a line for the shell; several are
/// one command and its arguments.
///
/// It ends with its user: whoever closes the terminal hangs up. A detached one goes on, for 24
/// hours at most unless told otherwise. When its time to live is over it is told to end, as by
/// noon ps stop, and its log says so.
///
/// Example:
///   noon run bash
///   noon run 'cd db && ls | wc -l'
///   noon run python manage.py migrate
///   noon run --detached rake reports:send
///   noon run --size performance-m rake reports:year
///   noon run --detached --time-to-live 10m ./import
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Does not wait; the output goes to the logs.
    #[arg(short, long)]
    detached: bool,
    /// Pipes, even where there could be a terminal.
    #[arg(long)]
    no_tty: bool,
    /// How large it may grow, as in standard-2x; see noon help ps resize.
    #[arg(long, value_name = "SIZE")]
    size: Option<String>,
    /// How long it may live, as in 90s, 10m, 12h or 3d; 30 days at most.
    #[arg(long, value_name = "TIME", value_parser = time_to_live)]
    time_to_live: Option<Duration>,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs the command; returns the exit code of what it ran.
pub fn run(context: &Context, args: Args) -> Result<u8> {
    let app = context.app()?;
    let is_tty = !args.no_tty && !args.detached && terminal::is_interactive();
    let body = DynoCreate {
        command: shell::joined(&args.command),
        attach: !args.detached,
        env: if is_tty {
            terminal_env()
        } else {
            BTreeMap::new()
        },
        force_no_tty: (!is_tty).then_some(true),
        time_to_live: args.time_to_live.map(|life| life.as_secs()),
        size: args.size,
    };
    let dyno: Dyno = app.post("/dynos", &body)?;
    if args.detached {
        context.out.note(format_args!(
            "Follow it: noon logs --tail --ps {}",
            dyno.name
        ));
        return context.out.line(&dyno.name).map(|()| exit::OK.code);
    }
    let url = dyno
        .attach_url
        .ok_or_else(|| Error::Attach("the server named no URL".to_owned()))?;
    attach::attach(&url, is_tty)
}

/// What a program at this terminal needs to know of it.
pub fn terminal_env() -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    if let Ok(term) = std::env::var("TERM") {
        env.insert("TERM".to_owned(), term);
    }
    if let Some((columns, rows)) = terminal::size() {
        env.insert("COLUMNS".to_owned(), columns.to_string());
        env.insert("LINES".to_owned(), rows.to_string());
    }
    env
}

fn time_to_live(text: &str) -> std::result::Result<Duration, String> {
    let (count, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let seconds = count
        .parse()
        .ok()
        .and_then(|count: u64| count.checked_mul(unit));
    match seconds {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("write a number and a unit, as in 90s, 10m, 12h or 3d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7200),
            ("3d", 259_200),
        ] {
            assert_eq!(
                time_to_live(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for bad in [
            "",
            "m",
            "0",
            "0m",
            "-1",
            "1.5h",
            "10 m",
            "1w",
            "ten",
            "99999999999999999999d",
        ] {
            assert!(time_to_live(bad).is_err(), "{bad}");
        }
    }
}
