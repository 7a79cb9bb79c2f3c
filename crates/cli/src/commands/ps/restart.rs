use crate::context::Context;
use crate::error::Result;

/// Restarts processes: all, those of one type, or one.
///
/// Example:
///   noon ps restart
///   noon ps restart worker
///   noon ps restart web.2
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A type, such as web, or a process, such as web.2.
    #[arg(value_name = "TYPE|NAME")]
    which: Option<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let (path, what) = match &args.which {
        None => ("/dynos".to_owned(), "all processes"),
        Some(name) if name.contains('.') => (format!("/dynos/{name}"), name.as_str()),
        Some(kind) => (format!("/formations/{kind}"), kind.as_str()),
    };
    app.api.act("DELETE", &app.path(&path))?;
    context
        .out
        .line(format_args!("Restarting {what} of {}.", app.name))
}
