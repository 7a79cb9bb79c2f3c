use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;
use crate::error::Result;

/// Prints what makes your shell complete noon's commands.
///
/// Example:
///   noon completions bash > ~/.local/share/bash-completion/completions/noon
///   noon completions zsh > ~/.zfunc/_noon
///   noon completions fish > ~/.config/fish/completions/noon.fish
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Your shell.
    shell: Shell,
}

/// Runs the command.
pub fn run(context: &Context, args: Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "noon", &mut script);
    context.out.bytes(&script)
}
