//! Detection: what a tree is, decided from its names and manifests alone.
//!
//! The table below is read from the top; the first language whose signs are there decides. That
//! `package.json` stands near its end is on purpose: many apps of other languages have one for
//! their assets. A further language is a further line.

mod app_json;
mod node;
mod plan;
mod procfile;
mod python;
mod requirements;
mod snapshot;
#[cfg(test)]
mod tests;
mod versions;

use std::path::Path;

use plan::refuse;
pub(crate) use plan::{Base, Compile, Install, Plan, Refusal, Runtime, Tool};
pub(crate) use snapshot::Snapshot;

use crate::Error;

/// What the app says about its own builds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wishes {
    /// Whether dependencies may be installed that no lock file pins.
    pub(crate) allow_unlocked: bool,
}

/// One line of the table.
struct Language {
    name: &'static str,
    /// Names at the root of a tree, one of which is enough. `*.x` is any name with that end.
    signs: &'static [&'static str],
    /// Names that are read as well.
    reads: &'static [&'static str],
    make: Make,
}

enum Make {
    /// Decides how the tree is built.
    Plan(fn(&Snapshot, Wishes) -> Result<Plan, Refusal>),
    /// Knows the language and cannot build it yet; says what can be done meanwhile.
    NotYet(&'static str),
}

const COMMIT_BINARY: &str = "commit the built program with a Procfile and without the manifest";

const LANGUAGES: &[Language] = &[
    Language {
        name: "Node.js",
        signs: &[],
        reads: node::MANIFESTS,
        make: Make::Plan(node::plan),
    },
    Language {
        name: "Python",
        signs: python::SIGNS,
        reads: python::MANIFESTS,
        make: Make::Plan(python::plan),
    },
    not_yet("Ruby", &["Gemfile"], COMMIT_BINARY),
    not_yet("Rust", &["Cargo.toml"], COMMIT_BINARY),
    not_yet("Go", &["go.mod", "go.work"], COMMIT_BINARY),
    not_yet(
        "Java",
        &["pom.xml", "build.gradle", "build.gradle.kts", "gradlew"],
        COMMIT_BINARY,
    ),
    not_yet("PHP", &["composer.json", "index.php"], COMMIT_BINARY),
    not_yet("Elixir", &["mix.exs"], COMMIT_BINARY),
    not_yet(".NET", &["*.sln", "*.csproj", "*.fsproj"], COMMIT_BINARY),
    not_yet("Scala", &["build.sbt"], COMMIT_BINARY),
    not_yet("Clojure", &["project.clj", "deps.edn"], COMMIT_BINARY),
    not_yet(
        "Deno",
        &["deno.json", "deno.jsonc", "deno.lock"],
        "use npm and package-lock.json",
    ),
    not_yet(
        "Bun",
        &["bun.lock", "bun.lockb", "bunfig.toml"],
        "use npm and package-lock.json",
    ),
    Language {
        name: "Node.js",
        signs: node::SIGNS,
        reads: node::MANIFESTS,
        make: Make::Plan(node::plan),
    },
    Language {
        name: "Procfile",
        signs: &["Procfile"],
        reads: &["Procfile"],
        make: Make::Plan(procfile::plan),
    },
    not_yet(
        "Dockerfile",
        &["Dockerfile", "Containerfile"],
        "declare the commands in a Procfile",
    ),
    not_yet(
        "A static site",
        &["Staticfile", "static.json", "index.html"],
        "serve it with a program of your own, named in a Procfile",
    ),
];

const fn not_yet(
    name: &'static str,
    signs: &'static [&'static str],
    meanwhile: &'static str,
) -> Language {
    Language {
        name,
        signs,
        reads: &[],
        make: Make::NotYet(meanwhile),
    }
}

/// Reads what detection needs of a tree.
pub(crate) fn look(root: &Path) -> Result<Snapshot, Error> {
    Snapshot::read(root, |name| {
        let is_read = |language: &Language| language.reads.contains(&name);
        name == app_json::NAME || LANGUAGES.iter().any(is_read)
    })
}

/// Decides how a tree is built, or says in one sentence why it is not.
pub(crate) fn detect(tree: &Snapshot, wishes: Wishes) -> Result<Plan, Refusal> {
    for language in LANGUAGES {
        let Some(sign) = sign_of(tree, language)? else {
            continue;
        };
        return match language.make {
            Make::Plan(plan) => declare(tree, plan(tree, wishes)?),
            Make::NotYet(meanwhile) => refuse(format!(
                "{} is recognised by {sign} but not built yet: {meanwhile}",
                language.name
            )),
        };
    }
    refuse(nothing_found(tree))
}

/// Adds to a plan what the app declares whatever its language.
fn declare(tree: &Snapshot, mut plan: Plan) -> Result<Plan, Refusal> {
    let declared = app_json::declared(tree, &plan.process_types)?;
    plan.health = declared.health;
    plan.warnings.extend(declared.warnings);
    Ok(plan)
}

/// By what a language shows. The first line of the table has no sign of its own: it is Node.js
/// where a Python manifest lies beside it but every command is Node's.
fn sign_of<'a>(tree: &'a Snapshot, language: &'a Language) -> Result<Option<&'a str>, Refusal> {
    if language.signs.is_empty() {
        return Ok(node::is_meant(tree)?.then_some("package.json"));
    }
    Ok(tree.first_of(language.signs))
}

fn nothing_found(tree: &Snapshot) -> String {
    let looked_for = "Procfile, requirements.txt, uv.lock, pyproject.toml, package.json";
    if let Some(file) = tree.names().find(|name| name.ends_with(".py")) {
        return format!(
            "nothing says how to run {file}: write a Procfile with a line such as `web: python3 {file}`"
        );
    }
    format!("no app was found at the root of the tree: looked for {looked_for}")
}
