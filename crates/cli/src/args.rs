//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit;
use crate::server;
use crate::settings::Flags;

/// Runs your apps on your own machine: git push, and it is live.
///
/// New here? `noon demo` shows all of it in a minute, and leaves nothing behind.
///
/// On a server:      noon server
/// On your machine:  noon login, then in your repository noon create and git push noon main
///
/// Heroku's names work too: noon config:set A=b, noon ps:scale web=2, noon run:detached …
#[derive(Debug, Parser)]
#[command(
    name = "noon",
    version,
    verbatim_doc_comment,
    propagate_version = false,
    after_help = "noon help COMMAND teaches a command; noon help exit-codes lists the exit codes."
)]
pub struct Cli {
    /// The server to ask; else NOON_SERVER, else the one that you logged in to.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// The app that is meant; else NOON_APP, else the app of the git remote named noon.
    #[arg(short, long, global = true, value_name = "NAME")]
    app: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apps(commands::apps::Args),
    Builds(commands::builds::Args),
    Completions(commands::completions::Args),
    Config(commands::config::Args),
    Create(commands::create::Args),
    Demo(commands::demo::Args),
    Destroy(commands::destroy::Args),
    Doctor(commands::doctor::Args),
    Domains(commands::domains::Args),
    #[command(hide = true)]
    GitCredentials(commands::git_credentials::Args),
    /// Answers git while it receives a push. Started by git, never by hand.
    #[command(hide = true)]
    GitHook,
    Info(commands::info::Args),
    Links(commands::links::Args),
    Login(commands::login::Args),
    Logout(commands::logout::Args),
    Logs(commands::logs::Args),
    Maintenance(commands::maintenance::Args),
    Network(commands::network::Args),
    Open(commands::open::Args),
    Ps(commands::ps::Args),
    Releases(commands::releases::Args),
    Rename(commands::rename::Args),
    #[command(hide = true)]
    Role(server::RoleArgs),
    Rollback(commands::rollback::Args),
    Run(commands::run::Args),
    Server(server::ServerArgs),
    Version(commands::version::Args),
    Whoami(commands::whoami::Args),
}

impl Cli {
    /// Takes the flags that every command has.
    pub fn flags(&mut self) -> Flags {
        Flags {
            server: self.server.take(),
            app: self.app.take(),
        }
    }

    /// Runs the house itself, which needs neither a server nor a client's settings. Gives any
    /// other command back.
    pub fn run_house(self) -> Result<Result<ExitCode>, Box<Self>> {
        let done = match self.command {
            Command::GitHook => return Ok(Ok(noon_codebase::hook::run())),
            Command::Server(args) => server::serve(&args),
            Command::Role(args) => server::play(&args),
            _ => return Err(Box::new(self)),
        };
        Ok(done.map(|()| ExitCode::SUCCESS).map_err(Error::House))
    }

    /// Runs a command; returns its exit code.
    ///
    /// # Errors
    /// Whatever the command fails with.
    pub fn run(self, context: &Context) -> Result<u8> {
        let done = match self.command {
            Command::Run(args) => return commands::run::run(context, args),
            Command::Ps(args) => return commands::ps::run(context, args),
            Command::Apps(args) => commands::apps::run(context, args),
            Command::Builds(args) => commands::builds::run(context, args),
            Command::Completions(args) => commands::completions::run(context, args),
            Command::Config(args) => commands::config::run(context, args),
            Command::Create(args) => commands::create::run(context, args),
            Command::Demo(args) => commands::demo::run(context, args),
            Command::Destroy(args) => commands::destroy::run(context, args),
            Command::Doctor(args) => commands::doctor::run(context, args),
            Command::Domains(args) => commands::domains::run(context, args),
            Command::GitCredentials(args) => commands::git_credentials::run(context, args),
            Command::Info(args) => commands::info::run(context, args),
            Command::Links(args) => commands::links::run(context, args),
            Command::Login(args) => commands::login::run(context, args),
            Command::Logout(args) => commands::logout::run(context, args),
            Command::Logs(args) => commands::logs::run(context, args),
            Command::Maintenance(args) => commands::maintenance::run(context, args),
            Command::Network(args) => commands::network::run(context, args),
            Command::Open(args) => commands::open::run(context, args),
            Command::Releases(args) => commands::releases::run(context, args),
            Command::Rename(args) => commands::rename::run(context, args),
            Command::Rollback(args) => commands::rollback::run(context, args),
            Command::Version(args) => commands::version::run(context, args),
            Command::Whoami(args) => commands::whoami::run(context, args),
            Command::Server(_) | Command::Role(_) | Command::GitHook => Ok(()), // by run_house
        };
        done.map(|()| exit::OK.code)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Each command that a user may type, with its whole name.
    fn visit(command: &mut clap::Command, name: &str, see: &mut dyn FnMut(&str, String)) {
        let help = command.render_long_help().to_string();
        see(name, help);
        for sub in command
            .get_subcommands_mut()
            .filter(|sub| sub.get_name() != "help")
        {
            let name = format!("{name} {}", sub.get_name());
            visit(sub, &name, see);
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_what_it_does_with_an_example() {
        let mut command = Cli::command();
        command.build();
        let mut seen = 0;
        visit(&mut command, "noon", &mut |name, help| {
            seen += 1;
            if ["noon role", "noon git-hook", "noon"].contains(&name) {
                return; // the house's own, and the page that leads to all others
            }
            let examples = help
                .lines()
                .filter(|line| line.trim_start().starts_with("noon "));
            let pipes = help.lines().filter(|line| line.contains("| noon "));
            assert!(
                examples.chain(pipes).next().is_some(),
                "{name} has no example:\n{help}"
            );
        });
        assert!(seen > 40, "only {seen} commands were looked at");
    }

    #[test]
    fn what_lists_or_shows_can_print_json() {
        let mut command = Cli::command();
        command.build();
        let mut shown = Vec::new();
        visit(&mut command, "noon", &mut |name, help| {
            if help.contains("--json") {
                shown.push(name.to_owned());
            }
        });
        for name in [
            "apps",
            "builds",
            "builds info",
            "builds list",
            "config",
            "config get",
            "config list",
            "create",
            "doctor",
            "domains",
            "domains list",
            "info",
            "links",
            "links list",
            "network",
            "network set",
            "network show",
            "ps",
            "ps limits",
            "ps list",
            "ps resize",
            "ps scale",
            "releases",
            "releases info",
            "releases list",
            "releases verify",
            "version",
            "whoami",
        ] {
            assert!(
                shown.contains(&format!("noon {name}")),
                "{name} prints no JSON"
            );
        }
    }

    #[test]
    fn the_flags_of_a_one_off_end_where_its_command_begins() {
        let line = "noon run -a x --no-tty rake -v --app y -- z";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(cli.app.as_deref(), Some("x"));
        let Command::Run(args) = cli.command else {
            panic!("{line} is no run")
        };
        assert!(
            format!("{args:?}").contains(r#"["rake", "-v", "--app", "y", "--", "z"]"#),
            "{args:?}"
        );
    }
}
