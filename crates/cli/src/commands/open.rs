use std::process::{Command, Stdio};

use crate::context::Context;
use crate::error::{Error, Result};

/// Prints where the app answers, and opens it in the browser.
///
/// Example:
///   noon open
///   curl "$(noon open --print)"
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Below the app's URL.
    #[arg(default_value = "")]
    path: String,
    /// Prints the URL and opens nothing.
    #[arg(long)]
    print: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?.show()?;
    let none = || Error::Missing(format!("{} has no URL", app.name));
    let url = app.web_url.as_deref().ok_or_else(none)?;
    let url = format!(
        "{}/{}",
        url.trim_end_matches('/'),
        args.path.trim_start_matches('/')
    );
    context.out.line(&url)?;
    if !args.print && !start_browser(&url) {
        context
            .out
            .note("There is no xdg-open or open here: open it yourself.");
    }
    Ok(())
}

fn start_browser(url: &str) -> bool {
    ["xdg-open", "open"].iter().any(|program| {
        let mut command = Command::new(program);
        command
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}
