use crate::context::Context;
use crate::error::{Error, Result};
use crate::output::Colour;
use crate::server::doctor::{Finding, findings};

/// Says whether this machine can run a noon server, and what to mend.
///
/// Example:
///   noon doctor
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let findings = findings();
    if args.json {
        context
            .out
            .json(&findings.iter().map(json).collect::<Vec<_>>())?;
    } else {
        findings
            .iter()
            .try_for_each(|finding| show(context, finding))?;
    }
    match findings
        .iter()
        .filter(|finding| finding.needed && !finding.ok)
        .count()
    {
        0 => Ok(()),
        count => Err(Error::Unfit(count)),
    }
}

fn json(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "name": finding.name, "ok": finding.ok, "needed": finding.needed, "what": finding.what, "mend": finding.mend
    })
}

fn show(context: &Context, finding: &Finding) -> Result<()> {
    let out = &context.out;
    let mark = match (finding.ok, finding.needed) {
        (true, _) => out.paint(Colour::Green, "ok  "),
        (false, true) => out.paint(Colour::Red, "mend"),
        (false, false) => out.paint(Colour::Yellow, "lack"),
    };
    out.line(format_args!("{mark}  {}: {}", finding.name, finding.what))?;
    match &finding.mend {
        Some(mend) if !finding.ok => out.line(format_args!("      {mend}")),
        _ => Ok(()),
    }
}
