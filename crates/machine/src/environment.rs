//! What a process finds in its environment, and the words that start its command.

use std::collections::BTreeMap;
use std::path::Path;

use noon_domain::{AppName, ProcessName, Secret, Version};

/// Where every app stands.
pub const HOME: &str = "/app";
/// Where commands are looked for, unless the config vars say otherwise.
const PATH: &str = "/app/.venv/bin:/app/node_modules/.bin:/app/bin:/usr/local/bin:/usr/bin:/bin";

/// What the platform tells a process about itself.
pub struct Facts<'a> {
    /// The app's name.
    pub app_name: &'a AppName,
    /// The process's place.
    pub name: &'a ProcessName,
    /// Its `$PORT`.
    pub port: u16,
    /// Its release, if it has one.
    pub release: Option<Version>,
    /// The commit of its slug, if it is known.
    pub commit: Option<&'a str>,
}

/// The whole environment: defaults, then the config vars, then what the platform knows better.
pub fn environment(
    vars: &BTreeMap<String, Secret<String>>,
    facts: &Facts<'_>,
) -> Vec<(String, String)> {
    let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
    let exposed = |(key, value): (&String, &Secret<String>)| (key.clone(), value.expose().clone());
    env.extend(vars.iter().map(exposed));
    let mut set = |key: &str, value: String| env.insert(key.to_owned(), value);
    set("HOME", HOME.to_owned());
    set("PORT", facts.port.to_string());
    set("DYNO", facts.name.to_string());
    set("PS", facts.name.to_string());
    set("NOON_APP", facts.app_name.to_string());
    set("HEROKU_APP_NAME", facts.app_name.to_string());
    if let Some(release) = facts.release {
        set("NOON_RELEASE_VERSION", release.to_string());
        set("HEROKU_RELEASE_VERSION", release.to_string());
    }
    if let Some(commit) = facts.commit {
        set("HEROKU_SLUG_COMMIT", commit.to_owned());
    }
    env.into_iter().collect()
}

/// What comes before a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// The app's profile scripts are sourced.
    pub profile: bool,
    /// The way out to the world, which is wired while the shell starts, is waited for.
    pub network: bool,
    /// The router, which comes to listen inside while the shell starts, is waited for.
    pub links: bool,
}

/// The arguments that run `command` in a shell. A command that is one program replaces the shell,
/// so that signals reach it.
pub fn arguments(command: &str, before: Before, bash: Option<&str>) -> Vec<String> {
    let mut script = String::new();
    if before.network {
        script.push_str(NETWORK);
    }
    if before.links {
        script.push_str(LINKS);
    }
    if before.profile {
        script.push_str(PROFILE);
    }
    if is_one_program(command) {
        script.push_str("exec ");
    }
    script.push_str(command.trim());
    let shell = bash.unwrap_or("/bin/sh").to_owned();
    vec![shell, "-c".to_owned(), script]
}

/// Waits for the default route, a second at most, with nothing but what the shell does itself.
const NETWORK: &str = "noon_wired() { while read -r noon_link noon_to _; do \
[ \"$noon_link $noon_to\" = 'eth0 00000000' ] && return; done </proc/net/route; return 1; }
noon_tries=0; until noon_wired || [ $noon_tries -ge 100 ]; do noon_tries=$((noon_tries+1)); \
sleep 0.01; done; unset -f noon_wired; unset noon_tries noon_link noon_to
";

/// Waits for the router to listen on 127.0.0.1:80, three seconds at most, in the same way.
const LINKS: &str = "noon_linked() { while read -r _ noon_local _ noon_state _; do \
case \"$noon_local $noon_state\" in *:0050\\ 0A) return;; esac; done </proc/net/tcp; return 1; }
noon_tries=0; until noon_linked || [ $noon_tries -ge 300 ]; do noon_tries=$((noon_tries+1)); \
sleep 0.01; done; unset -f noon_linked; unset noon_tries noon_local noon_state
";

const PROFILE: &str = "for f in /app/.profile.d/*.sh; do [ -f \"$f\" ] && . \"$f\"; done; unset f
[ -f /app/.profile ] && . /app/.profile
";

/// Whether any of these trees brings profile scripts.
pub fn has_profile<'a>(layers: impl IntoIterator<Item = &'a Path>) -> bool {
    let has = |layer: &Path, name: &str| layer.join(name).symlink_metadata().is_ok();
    layers
        .into_iter()
        .any(|layer| has(layer, ".profile") || has(layer, ".profile.d"))
}

/// Where this machine has bash, which is what commands are written for.
pub fn bash() -> Option<&'static str> {
    ["/bin/bash", "/usr/bin/bash"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}

/// Words that a shell does itself, or that begin what is more than one command.
const SHELL_WORDS: [&str; 47] = [
    "alias", "bg", "break", "builtin", "case", "cd", "command", "continue", "coproc", "declare",
    "do", "echo", "eval", "exec", "exit", "export", "false", "fg", "for", "function", "getopts",
    "if", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly", "return", "select",
    "set", "shift", "source", "test", "time", "times", "trap", "true", "type", "ulimit", "umask",
    "unset", "until", "wait", "while",
];

/// Whether the command is a single program with arguments. When in doubt it is not.
fn is_one_program(command: &str) -> bool {
    let command = command.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-+@".contains(c);
    let first = command.split_ascii_whitespace().next().unwrap_or("");
    let compound = |c: char| ";&|<>()`\n\r#!\\".contains(c);
    !first.is_empty()
        && first.chars().all(plain)
        && first != "."
        && !SHELL_WORDS.contains(&first)
        && !command.contains(compound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_replaces_the_shell_and_nothing_else_does() {
        for one in [
            "python3 app.py",
            "./server --port $PORT \"$NAME\"",
            " node index.js ",
            "gunicorn app:app -b 0.0.0.0:${PORT:-5000}",
        ] {
            assert!(is_one_program(one), "{one}");
        }
        for more in [
            "a; b", "a && b", "a | b", "A=1 run", "cd x", "exec x", "(x)", "x > y", "x &", "",
            "$CMD", "if x", ". x", "x `y`", "x $(y)", "a\nb", "echo hi",
        ] {
            assert!(!is_one_program(more), "{more}");
        }
    }

    #[test]
    fn the_script_really_runs_and_sources_the_profile_first() {
        let run = |command: &str| {
            let before = Before {
                profile: true,
                network: false,
                links: false,
            };
            let arguments = arguments(command, before, bash());
            let out = std::process::Command::new(&arguments[0])
                .args(&arguments[1..])
                .env("X", "two words")
                .output()
                .unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        assert_eq!(run("/usr/bin/printf %s \"$X\""), "two words");
        assert_eq!(
            run("cd / && pwd; echo \"$X\" | tr a-z A-Z"),
            "/\nTWO WORDS\n"
        );
    }

    #[test]
    fn the_platform_has_the_last_word_and_config_the_word_before() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let vars = BTreeMap::from([
            ("PATH".to_owned(), secret("/mine")),
            ("PORT".to_owned(), secret("1")),
            ("A".to_owned(), secret("b")),
        ]);
        let facts = Facts {
            app_name: &"demo".parse().unwrap(),
            name: &"web.2".parse().unwrap(),
            port: 5000,
            release: Some(Version::new(7)),
            commit: Some("abc"),
        };
        let env: BTreeMap<_, _> = environment(&vars, &facts).into_iter().collect();
        for (key, value) in [
            ("PATH", "/mine"),
            ("PORT", "5000"),
            ("A", "b"),
            ("HOME", "/app"),
            ("DYNO", "web.2"),
            ("PS", "web.2"),
            ("NOON_APP", "demo"),
            ("HEROKU_APP_NAME", "demo"),
            ("NOON_RELEASE_VERSION", "v7"),
            ("HEROKU_RELEASE_VERSION", "v7"),
            ("HEROKU_SLUG_COMMIT", "abc"),
        ] {
            assert_eq!(env.get(key).map(String::as_str), Some(value), "{key}");
        }
        assert_eq!(env.len(), 11);
    }
}
