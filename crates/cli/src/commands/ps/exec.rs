use std::collections::BTreeMap;

use noon_wire::noon::{ExecCreate, ExecSession};

use crate::client::attach;
use crate::commands::run::terminal_env;
use crate::context::Context;
use crate::error::Result;
use crate::shell;
use crate::terminal;

/// Opens a shell inside a running process, or runs a command there, behind the same walls.
///
/// It sees what the process sees: its files, its memory limit, its neighbours in the sandbox; and
/// it ends with it. What it changes is gone at the next restart. With a terminal here it has one
/// there; in a pipe it reads and writes pipes. The exit code is handed on. The app's log says who
/// went in, and never what they did there. For a process of your own, use noon run.
///
/// Example:
///   noon ps exec web.1
///   noon ps exec worker.2 -- ps aux
///   noon ps exec web.1 -- 'cat /proc/1/status | grep Vm'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The process, such as web.1, which it is where none is named.
    #[arg(value_name = "NAME", conflicts_with = "ps")]
    name: Option<String>,
    /// The same, as Heroku writes it.
    #[arg(long, alias = "dyno", short_alias = 'd', value_name = "NAME")]
    ps: Option<String>,
    /// Pipes, even where there could be a terminal.
    #[arg(long)]
    no_tty: bool,
    /// The command and its arguments; a shell where there is none.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the command; returns the exit code of what it ran.
pub fn run(context: &Context, args: Args) -> Result<u8> {
    let app = context.app()?;
    let is_tty = !args.no_tty && terminal::is_interactive();
    let name = args.name.or(args.ps).unwrap_or_else(|| "web.1".to_owned());
    let body = ExecCreate {
        command: (!args.command.is_empty()).then(|| shell::joined(&args.command)),
        env: if is_tty {
            terminal_env()
        } else {
            BTreeMap::new()
        },
        force_no_tty: (!is_tty).then_some(true),
    };
    let path = app.noon_path(&format!("/processes/{name}/exec"));
    let session: ExecSession = app.api.post(&path, &body)?;
    attach::attach(&session.attach_url, is_tty)
}
