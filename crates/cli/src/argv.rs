//! Heroku's way of writing commands, `config:set`, made into noon's, `config set`.

use std::ffi::OsString;

/// Commands that Heroku keeps below a topic and noon does not, or names otherwise.
const RENAMED: [(&str, &[&str]); 20] = [
    ("apps:create", &["create"]),
    ("apps:destroy", &["destroy"]),
    ("apps:delete", &["destroy"]),
    ("apps:info", &["info"]),
    ("apps:list", &["apps"]),
    ("apps:open", &["open"]),
    ("apps:rename", &["rename"]),
    ("auth:login", &["login"]),
    ("auth:logout", &["logout"]),
    ("auth:whoami", &["whoami"]),
    ("builds:list", &["builds"]),
    ("config:list", &["config"]),
    ("config:add", &["config", "set"]),
    ("config:remove", &["config", "unset"]),
    ("domains:list", &["domains"]),
    ("git:credentials", &["git-credentials"]),
    ("ps:list", &["ps"]),
    ("ps:type", &["ps", "resize"]),
    ("releases:rollback", &["rollback"]),
    ("run:detached", &["run", "--detached"]),
];
/// Words that are commands by themselves and topics of others.
const TOPICS: [&str; 3] = ["apps", "auth", "releases"];
/// Flags before the command that take the next word as their value.
const VALUED: [&str; 3] = ["-a", "--app", "--server"];

/// Rewrites the command word; whatever comes after it stays as it is.
pub fn rewrite(argv: Vec<OsString>) -> Vec<OsString> {
    let Some(at) = command_at(&argv, 1) else {
        return argv;
    };
    let at = if argv[at] == "help" && at + 1 < argv.len() {
        at + 1
    } else {
        at
    };
    let (words, taken) = command_words(&argv[at..]);
    let mut rewritten = argv[..at].to_vec();
    rewritten.extend(words);
    rewritten.extend_from_slice(&argv[at + taken..]);
    rewritten
}

fn command_at(argv: &[OsString], from: usize) -> Option<usize> {
    let mut index = from;
    while let Some(word) = argv.get(index) {
        let word = word.to_string_lossy();
        if !word.starts_with('-') {
            return Some(index);
        }
        index += if VALUED.contains(&word.as_ref()) {
            2
        } else {
            1
        };
    }
    None
}

/// The command in noon's words, and how many words of the line they stand for.
fn command_words(rest: &[OsString]) -> (Vec<OsString>, usize) {
    let first = rest[0].to_string_lossy();
    if first.contains(':') {
        return (colon_words(&first), 1);
    }
    if let Some(second) = rest.get(1).filter(|_| TOPICS.contains(&first.as_ref())) {
        let joined = format!("{first}:{}", second.to_string_lossy());
        if RENAMED.iter().any(|(from, _)| *from == joined) {
            return (colon_words(&joined), 2);
        }
    }
    (vec![rest[0].clone()], 1)
}

fn colon_words(word: &str) -> Vec<OsString> {
    match RENAMED.iter().find(|(from, _)| *from == word) {
        Some((_, to)) => to.iter().map(OsString::from).collect(),
        None => word.split(':').map(OsString::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn herokus_forms_mean_the_same_as_noons() {
        for (typed, meant) in [
            ("config:set A=b", "config set A=b"),
            ("config set A=b:c", "config set A=b:c"),
            ("config", "config"),
            ("ps:scale web=2", "ps scale web=2"),
            ("ps:type web=basic", "ps resize web=basic"),
            ("ps:resize web=basic", "ps resize web=basic"),
            ("ps:limits", "ps limits"),
            ("releases:info v3", "releases info v3"),
            ("releases:rollback v3", "rollback v3"),
            ("apps:create my-app", "create my-app"),
            ("apps create my-app", "create my-app"),
            ("apps", "apps"),
            ("apps --json", "apps --json"),
            ("apps:info", "info"),
            ("apps:destroy -a x --confirm x", "destroy -a x --confirm x"),
            ("apps:rename new", "rename new"),
            ("logs --tail", "logs --tail"),
            (
                "run:detached rake db:migrate",
                "run --detached rake db:migrate",
            ),
            ("run rake db:migrate", "run rake db:migrate"),
            ("-a x config:get A", "-a x config get A"),
            (
                "--app x domains:add www.x.org",
                "--app x domains add www.x.org",
            ),
            ("--app=x builds:info", "--app=x builds info"),
            ("help config:set", "help config set"),
            ("help", "help"),
            ("--help", "--help"),
            ("", ""),
        ] {
            let argv = |line: &str| {
                let words = line.split_whitespace();
                std::iter::once("noon")
                    .chain(words)
                    .map(OsString::from)
                    .collect::<Vec<_>>()
            };
            assert_eq!(rewrite(argv(typed)), argv(meant), "{typed}");
        }
    }
}
