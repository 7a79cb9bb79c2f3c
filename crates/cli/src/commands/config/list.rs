use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::Result;
use crate::output::Colour;

/// Shows all config vars.
///
/// Example:
///   noon config list --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[group(skip)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let vars: BTreeMap<String, String> = app.get("/config-vars")?;
    if args.json {
        return context.out.json(&vars);
    }
    if vars.is_empty() {
        context.out.note(format_args!(
            "{} has no config vars: noon config set A=b",
            app.name
        ));
    }
    let row = |(name, value): (&String, &String)| {
        vec![
            context.out.paint(Colour::Cyan, &format!("{name}:")),
            noon_domain::tame(&value.replace('\n', "\\n")),
        ]
    };
    context.out.table(&vars.iter().map(row).collect::<Vec<_>>())
}
