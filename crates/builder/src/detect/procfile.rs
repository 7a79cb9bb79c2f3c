//! The builder of trees that need no building: nothing is declared, nothing is installed.

use noon_domain::ProcessTypes;

use super::Wishes;
use super::plan::{Plan, Refusal};
use super::snapshot::Snapshot;

/// The process types that a tree's Procfile declares; `None` if it has none.
pub(super) fn declared(tree: &Snapshot) -> Result<Option<ProcessTypes>, Refusal> {
    match tree.bytes("Procfile")? {
        Some(bytes) => Ok(Some(ProcessTypes::parse(bytes)?)),
        None => Ok(None),
    }
}

/// Plans a tree with a Procfile and no manifest.
pub(super) fn plan(tree: &Snapshot, _: Wishes) -> Result<Plan, Refusal> {
    let types = declared(tree)?.unwrap_or_default();
    let executables = types
        .iter()
        .filter_map(|(kind, command)| Some((kind.to_string(), program_in_tree(command)?)))
        .collect();
    Ok(Plan {
        executables,
        ..Plan::new("Procfile", types)
    })
}

/// The program that a command starts, if it is clearly a path in the tree.
fn program_in_tree(command: &str) -> Option<String> {
    let word = command
        .split_whitespace()
        .find(|word| !is_before_program(word))?;
    if word.contains(|c: char| !(c.is_alphanumeric() || "/._-+@".contains(c))) {
        return None;
    }
    let path = word.strip_prefix("/app/").unwrap_or(word);
    (path.contains('/') && !path.starts_with('/') || word.starts_with("/app/"))
        .then(|| path.strip_prefix("./").unwrap_or(path).to_owned())
}

/// `exec`, and assignments such as `A=b`.
fn is_before_program(word: &str) -> bool {
    let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    word == "exec" || is_assignment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_path_in_the_tree_is_looked_at() {
        for (command, expected) in [
            ("./server --port $PORT", Some("server")),
            ("bin/server", Some("bin/server")),
            ("exec bin/server", Some("bin/server")),
            ("A=1 B=$C ./server", Some("server")),
            ("/app/bin/server", Some("bin/server")),
            ("/usr/bin/python3 x.py", None),
            ("python3 -m http.server $PORT", None),
            ("$HOME/run", None),
            ("'./my server'", None),
            ("", None),
        ] {
            assert_eq!(program_in_tree(command).as_deref(), expected, "{command:?}");
        }
    }
}
