use std::io::Read;

use crate::context::Context;
use crate::credentials::Credentials;
use crate::error::{Error, Result};
use crate::server_url::ServerUrl;

/// Answers git, when it asks for the password of a server that you are logged in to.
///
/// `noon login` tells git to ask here.
///
/// Example:
///   printf 'protocol=http\nhost=127.0.0.1:8090\n\n' | noon git-credentials get
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What git wants: get, store or erase. Only get does something.
    operation: String,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let mut question = String::new();
    std::io::stdin()
        .read_to_string(&mut question)
        .map_err(Error::io("reading git's question"))?;
    if args.operation != "get" {
        return Ok(());
    }
    let Some(server) = asked_server(&question) else {
        return Ok(());
    };
    let settings = &context.settings;
    let kept = || {
        Credentials::read(&settings.credentials_path)
            .ok()?
            .token(&server.to_string())
    };
    let token = if server == settings.server {
        settings.token.clone()
    } else {
        kept()
    };
    match token {
        Some(token) => context
            .out
            .bytes(format!("username=noon\npassword={}\n", token.expose()).as_bytes()),
        None => Ok(()),
    }
}

fn asked_server(question: &str) -> Option<ServerUrl> {
    let find = |key: &str| {
        question
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| *name == key)
    };
    let ((_, protocol), (_, host)) = (find("protocol")?, find("host")?);
    format!("{protocol}://{host}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_question_names_a_server() {
        let server = asked_server("protocol=http\nhost=127.0.0.1:8090\npath=a.git\n\n").unwrap();
        assert_eq!(server.to_string(), "http://127.0.0.1:8090");
        assert!(asked_server("protocol=ssh\nhost=h\n").is_none());
        assert!(asked_server("host=h\n").is_none());
    }
}
