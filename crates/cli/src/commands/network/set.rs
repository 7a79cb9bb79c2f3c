use clap::ValueEnum;
use noon_wire::noon::{NetworkInfo, NetworkUpdate};

use super::show::sentence;
use crate::context::Context;
use crate::error::Result;

/// Chooses what an app's processes may reach: nat, none, host, or default, which leaves it to the
/// server.
///
/// Every process is replaced, new beside old, so that no request fails. An app that does not boot
/// with the new network keeps the old one.
///
/// Example:
///   noon network set none
///   noon network set default
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What they may reach.
    network: Choice,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Choice {
    /// The world outside, but not this server and not other apps.
    Nat,
    /// Nothing.
    None,
    /// All that this server reaches: no wall at all.
    Host,
    /// What the server gives to apps that have not chosen.
    Default,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let app = context.app()?;
    let network = match args.network {
        Choice::Nat => Some("nat"),
        Choice::None => Some("none"),
        Choice::Host => Some("host"),
        Choice::Default => None,
    };
    let update = NetworkUpdate {
        network: network.map(str::to_owned),
    };
    let info: NetworkInfo = app.api.patch(&app.noon_path("/network"), &update)?;
    if args.json {
        return context.out.json(&info);
    }
    if info.network == "host" {
        context.out.note(format_args!(
            "{} shares the server's network now: it reaches noon's own ports, and so do its users \
             through it.",
            app.name
        ));
    }
    context.out.line(sentence(&info))
}
