use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::time::Duration;

use noon_wire::{LogSession, LogSessionCreate};

use crate::client::{AppApi, Event, Parser};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::terminal;

/// Prints the log of an app: all of its processes, the router and the platform, in one stream.
///
/// Example:
///   noon logs -n 200
///   noon logs --tail --ps web
///   noon logs -t -p worker.1 --source app
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// How many lines of the past.
    #[arg(short = 'n', long, default_value_t = 100, value_name = "COUNT")]
    num: usize,
    /// Goes on with new lines.
    #[arg(short, long)]
    tail: bool,
    /// Only this process, or this type.
    #[arg(
        short,
        long,
        visible_alias = "process-type",
        short_alias = 'd',
        alias = "dyno-name",
        value_name = "NAME"
    )]
    ps: Option<String>,
    /// Only what the app says (app), or only the platform (heroku).
    #[arg(short, long)]
    source: Option<String>,
}

/// How long to wait before a broken tail is taken up again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let mut session = LogSessionCreate {
        dyno: args.ps,
        lines: Some(args.num),
        source: args.source,
        tail: Some(args.tail),
    };
    let mut reader = Reader::new(&context.out);
    reader.read(&app, &session)?;
    if !args.tail {
        return Ok(());
    }
    loop {
        session.lines = Some(0); // the id of the last line says where to go on
        std::thread::sleep(PAUSE);
        match reader.read(&app, &session) {
            Ok(()) | Err(Error::Unreachable { .. } | Error::Io { .. }) => {}
            Err(Error::Refused {
                status: 500..=599, ..
            }) => {}
            Err(error) => return Err(error),
        }
    }
}

struct Reader<'a> {
    out: &'a Output,
    is_terminal: bool,
    last_id: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(out: &'a Output) -> Self {
        Self {
            out,
            is_terminal: std::io::stdout().is_terminal(),
            last_id: None,
        }
    }

    /// Prints one session to its end.
    fn read(&mut self, app: &AppApi, session: &LogSessionCreate) -> Result<()> {
        let session: LogSession = app.post("/log-sessions", session)?;
        let url = &session.logplex_url;
        let stream = app
            .api
            .stream(url, "text/event-stream", self.last_id.as_deref())?;
        self.read_events(stream)
    }

    fn read_events(&mut self, stream: impl Read) -> Result<()> {
        let mut parser = Parser::default();
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = reader
                .read_until(b'\n', &mut line)
                .map_err(Error::io("reading the log"))?;
            if count == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line);
            if let Some(event) = parser.feed(text.trim_end_matches(['\r', '\n'])) {
                self.print(event)?;
            }
        }
    }

    fn print(&mut self, event: Event) -> Result<()> {
        self.last_id = event.id.or_else(|| self.last_id.take());
        if self.is_terminal {
            self.out
                .line(painted(self.out, &terminal::sanitized(&event.data)))
        } else {
            self.out.line(event.data)
        }
    }
}

/// Colours the time and the process, `… app[web.1]:`, a colour for each process.
fn painted(out: &Output, line: &str) -> String {
    match line.split_once("]: ").filter(|_| out.is_colourful) {
        Some((head, text)) => format!("\x1b[{}m{head}]:\x1b[0m {text}", colour_of(head)),
        None => line.to_owned(),
    }
}

fn colour_of(head: &str) -> u8 {
    const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];
    let process = head.rsplit(' ').next().unwrap_or_default();
    let sum = process
        .bytes()
        .fold(5381_usize, |sum, b| sum.wrapping_mul(33) ^ usize::from(b));
    COLOURS[sum % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_keeps_its_colour() {
        let colour = |ps: &str| colour_of(&format!("2026-11-21T11:59:03.8+00:00 app[{ps}"));
        assert_eq!(colour("web.1"), colour("web.1"));
        assert_ne!(colour("web.1"), colour("web.2"));
    }
}
