use noon_wire::noon::ServerInfo;
use serde::Serialize;

use crate::context::Context;
use crate::error::Result;

/// Prints the version of this program, and of the server where one answers.
///
/// Example:
///   noon version
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Versions {
    noon: &'static str,
    server: Option<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let info: Option<ServerInfo> = context.api().and_then(|api| api.get("/noon/server")).ok();
    let versions = Versions {
        noon: env!("CARGO_PKG_VERSION"),
        server: info.map(|info| info.version),
    };
    if args.json {
        return context.out.json(&versions);
    }
    context.out.line(format_args!("noon {}", versions.noon))?;
    match versions.server {
        Some(version) => context.out.line(format_args!(
            "server {version} at {}",
            context.settings.server
        )),
        None => Ok(()),
    }
}
