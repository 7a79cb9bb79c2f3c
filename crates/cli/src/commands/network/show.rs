use noon_wire::noon::NetworkInfo;

use crate::context::Context;
use crate::error::Result;

/// Shows what an app's processes may reach.
///
/// Example:
///   noon network show --json
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
    let info: NetworkInfo = app.api.get(&app.noon_path("/network"))?;
    if args.json {
        return context.out.json(&info);
    }
    context.out.line(sentence(&info))
}

/// What an app has, and by whose choice.
pub fn sentence(info: &NetworkInfo) -> String {
    match &info.chosen {
        None => format!("{} (the server's default)", info.network),
        Some(chosen) if *chosen != info.network => {
            format!("{} (not {chosen}: the server allows no more)", info.network)
        }
        Some(_) => info.network.clone(),
    }
}
