use noon_domain::Secret;

use crate::client::Api;
use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::git;
use crate::shell;
use crate::terminal;

/// Logs in to a server: checks your token, keeps it, and lets git push with it.
///
/// The token is what `noon server` printed when it first started. It is kept in
/// ~/.config/noon/credentials.json, which only you can read. Without --token it is asked for, or
/// read from stdin.
///
/// Example:
///   noon login --server http://127.0.0.1:8090
///   echo "$TOKEN" | noon login --server https://paas.example.com
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The token. Others on this machine can see it while the command runs: prefer stdin.
    #[arg(long)]
    token: Option<String>,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let server = &context.settings.server;
    let token = match args.token {
        Some(token) => Secret::new(token.trim().to_owned()),
        None => terminal::ask_secret(&format!("Token for {server}:"))?,
    };
    if token.expose().is_empty() || !token.expose().bytes().all(|b| b.is_ascii_graphic()) {
        let hint = format!("noon login --server {server}, then type the token");
        return Err(Error::usage("that is no token", hint));
    }
    let account = Api::new(server.clone(), token.clone()).account()?;
    let path = &context.settings.credentials_path;
    let mut credentials = Credentials::read(path)?;
    credentials.keep(&server.to_string(), &account.email, &token);
    credentials.write(path)?;
    if let Err(error) = teach_git(&server.to_string()) {
        context
            .out
            .note(format_args!("git will ask for the token itself: {error}"));
    }
    context
        .out
        .line(format_args!("Logged in to {server} as {}.", account.email))
}

/// Makes git ask this program for the token, and nobody else.
fn teach_git(server: &str) -> Result<()> {
    let noon = std::env::current_exe().map_err(Error::io("finding this program"))?;
    let helper = format!(
        "!{} git-credentials",
        shell::quoted(&noon.to_string_lossy())
    );
    let key = format!("credential.{server}.helper");
    // The empty value makes git forget the helpers of its wider settings for this server.
    git::run(&["config", "--global", "--replace-all", &key, ""])?;
    git::run(&["config", "--global", "--add", &key, &helper])
}
