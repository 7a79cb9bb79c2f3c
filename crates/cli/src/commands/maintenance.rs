use clap::ValueEnum;
use noon_wire::{App, AppUpdate};

use crate::context::Context;
use crate::error::Result;

/// Shows a page of maintenance in place of an app, or ends that.
///
/// The processes go on. Without ON|OFF it says how it stands.
///
/// Example:
///   noon maintenance on
///   noon maintenance:off
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Whether the page is shown.
    #[arg(value_name = "ON|OFF", ignore_case = true)]
    switch: Option<Switch>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let api = context.app()?;
    let app: App = match args.switch {
        None => api.show()?,
        Some(switch) => {
            let maintenance = Some(switch == Switch::On);
            api.patch(
                "",
                &AppUpdate {
                    name: None,
                    maintenance,
                },
            )?
        }
    };
    context.out.line(if app.maintenance { "on" } else { "off" })
}
