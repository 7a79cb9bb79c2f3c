use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::time::Duration;

use noon_wire::{LogSession, LogSessionCreate};

use crate::client::{AppApi, Event, Parser};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::output::Output;

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
    loop {
        match reader.read(&app, &session) {
            Ok(()) if !args.tail => return Ok(()),
            Err(error) if !(args.tail && reader.has_begun && is_passing(&error)) => {
                return Err(error);
            }
            _ => {}
        }
        if reader.last_id.is_some() {
            session.lines = Some(0); // the id says where to go on
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether trying again may help: the server is away for a moment.
const fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::Io { .. }
            | Error::Refused {
                status: 500..=599,
                ..
            }
    )
}

struct Reader<'a> {
    out: &'a Output,
    is_terminal: bool,
    has_begun: bool,
    last_id: Option<String>,
}

impl<'a> Reader<'a> {
    fn new(out: &'a Output) -> Self {
        Self {
            out,
            is_terminal: std::io::stdout().is_terminal(),
            has_begun: false,
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
        self.has_begun = true;
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
        match event.data {
            Some(line) if self.is_terminal => {
                self.out.line(painted(self.out, &noon_domain::tame(&line)))
            }
            Some(line) => self.out.line(line),
            None => Ok(()), // only says where the stream stands
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
