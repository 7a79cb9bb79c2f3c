use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::Result;
use crate::git;

/// Forgets the token for a server. The token itself stays valid.
///
/// Example:
///   noon logout
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {}

/// Runs the command.
pub fn run(context: &Context, _: Args) -> Result<()> {
    let server = context.settings.server.to_string();
    let path = &context.settings.credentials_path;
    let mut credentials = Credentials::read(path)?;
    if !credentials.forget(&server) {
        return context
            .out
            .line(format_args!("There was no token for {server}."));
    }
    credentials.write(path)?;
    let _ = git::run(&[
        "config",
        "--global",
        "--unset-all",
        &format!("credential.{server}.helper"),
    ]);
    context.out.line(format_args!("Logged out of {server}."))
}
