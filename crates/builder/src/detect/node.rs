//! Node.js: `package.json` and npm's lock, installed by npm into `/app/node_modules`.

use noon_domain::{ProcessType, ProcessTypes};
use serde_json::{Map, Value};

use super::Wishes;
use super::plan::{Base, Compile, Install, Need, Plan, Refusal, Runtime, Tool, refuse};
use super::procfile::declared;
use super::python::{SIGNS as PYTHON, are_commands_of_node};
use super::snapshot::Snapshot;
use super::versions::{Dialect, Wanted};

/// Names that mean Node.js.
pub(super) const SIGNS: &[&str] = &["package.json"];
/// Names that are read.
pub(super) const MANIFESTS: &[&str] = &[
    "Procfile",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    ".npmrc",
];
/// Lock files, with whose they are.
const LOCKS: [(&str, &str); 7] = [
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
    ("yarn.lock", "Yarn"),
    ("pnpm-lock.yaml", "pnpm"),
    ("bun.lock", "Bun"),
    ("bun.lockb", "Bun"),
    ("deno.lock", "Deno"),
];
/// Where dependencies stand in `package.json`.
const DEPENDENCIES: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];
/// Scripts of the app itself that npm runs on installation, and that may want any file.
const LIFECYCLE: [&str; 7] = [
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
];
/// Parts of `package.json` that no installation depends on.
const IRRELEVANT: [&str; 12] = [
    "version",
    "description",
    "keywords",
    "homepage",
    "bugs",
    "license",
    "author",
    "contributors",
    "repository",
    "main",
    "private",
    "scripts",
];

const NPM: &str = "--cache /cache/npm --no-audit --no-fund";
/// Holds times of the build, and npm does without.
const TIDY: &str = "rm -f node_modules/.package-lock.json";

/// Whether a tree with Python's manifests is Node's all the same: every command is.
pub(super) fn is_meant(tree: &Snapshot) -> Result<bool, Refusal> {
    if !tree.has("package.json") || tree.first_of(PYTHON).is_none() {
        return Ok(false);
    }
    match declared(tree)? {
        Some(types) => Ok(are_commands_of_node(&types)),
        None => Ok(script(&package(tree)?, "start").is_some()),
    }
}

/// Plans a Node.js tree.
pub(super) fn plan(tree: &Snapshot, wishes: Wishes) -> Result<Plan, Refusal> {
    let package = package(tree)?;
    check_manager(&package)?;
    let lock = lock(tree)?;
    let has_any = DEPENDENCIES.iter().any(|part| has_entries(&package, part));
    if has_any && lock.is_none() && !wishes.allow_unlocked {
        return refuse(
            "package.json declares dependencies but there is no package-lock.json: run `npm install --package-lock-only` and commit it",
        );
    }
    let (types, declared_by) = process_types(tree, &package)?;
    let mut plan = Plan::new("Node.js", types);
    plan.declared_by = declared_by;
    plan.compile = compile(&package);
    if has_any {
        plan.install = Some(install(tree, &package, lock)?);
    }
    if has_any && lock.is_none() {
        plan.warnings
            .push("Dependencies are not locked: the next build may install others".to_owned());
    }
    plan.needs = needs(&package, &plan);
    Ok(plan)
}

fn package(tree: &Snapshot) -> Result<Map<String, Value>, Refusal> {
    let text = tree.text("package.json")?.unwrap_or_default();
    match serde_json::from_str(text) {
        Ok(Value::Object(package)) => Ok(package),
        Ok(_) => refuse("package.json is not a JSON object"),
        Err(error) => refuse(format!(
            "package.json line {} is not JSON: {error}",
            error.line()
        )),
    }
}

/// The one lock file; two are refused, for nobody could say which one is true.
fn lock(tree: &Snapshot) -> Result<Option<&'static str>, Refusal> {
    let found: Vec<_> = LOCKS.iter().filter(|(name, _)| tree.has(name)).collect();
    match found[..] {
        [] => Ok(None),
        [(name, "npm")] => Ok(Some(name)),
        [(name, manager)] => refuse(format!(
            "{name} is of {manager}, which is recognised but not built yet: npm is, so run `npm install --package-lock-only` and commit package-lock.json in place of {name}"
        )),
        [(first, _), (second, _), ..] => refuse(format!(
            "{first} and {second} both lock dependencies: keep the one that you use and remove the other"
        )),
    }
}

fn check_manager(package: &Map<String, Value>) -> Result<(), Refusal> {
    match package.get("packageManager").and_then(Value::as_str) {
        Some(manager) if !manager.starts_with("npm@") => refuse(format!(
            "packageManager in package.json asks for {manager}, which is not built yet: npm is, with package-lock.json"
        )),
        _ => Ok(()),
    }
}

fn has_entries(package: &Map<String, Value>, part: &str) -> bool {
    package
        .get(part)
        .and_then(Value::as_object)
        .is_some_and(|entries| !entries.is_empty())
}

fn script<'a>(package: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let script = package.get("scripts")?.get(name)?.as_str()?;
    (!script.trim().is_empty()).then_some(script)
}

fn process_types(
    tree: &Snapshot,
    package: &Map<String, Value>,
) -> Result<(ProcessTypes, &'static str), Refusal> {
    let web = |command: &str| ProcessTypes::from_pairs([(ProcessType::web(), command.to_owned())]);
    if let Some(types) = declared(tree)? {
        Ok((types, "Procfile declares types"))
    } else if script(package, "start").is_some() {
        Ok((web("npm start"), "The start script gives types"))
    } else if tree.has("server.js") {
        Ok((web("node server.js"), "server.js gives types"))
    } else {
        refuse(
            "nothing says how to start this Node.js app: add a `start` script to package.json, or a Procfile with a line such as `web: node index.js`",
        )
    }
}

fn needs(package: &Map<String, Value>, plan: &Plan) -> Vec<Need> {
    let engine = |name: &str, by| {
        let range = package
            .get("engines")
            .and_then(|e| e.get(name))
            .and_then(Value::as_str);
        let wanted = |range: &str| Wanted {
            by,
            range: range.to_owned(),
            dialect: Dialect::Npm,
        };
        range.map(wanted).into_iter().collect()
    };
    let mut needs = vec![Need {
        runtime: Runtime::Node,
        wanted: engine("node", "engines.node in package.json"),
    }];
    let starts_npm = plan
        .process_types
        .iter()
        .any(|(_, command)| command.starts_with("npm"));
    if plan.install.is_some() || plan.compile.is_some() || starts_npm {
        needs.push(Need {
            runtime: Runtime::Npm,
            wanted: engine("npm", "engines.npm in package.json"),
        });
    }
    needs
}

fn install(
    tree: &Snapshot,
    package: &Map<String, Value>,
    lock: Option<&'static str>,
) -> Result<Install, Refusal> {
    let verb = if lock.is_some() {
        "ci"
    } else {
        "install --no-package-lock"
    };
    let dev = if build_script(package).is_some() {
        "include"
    } else {
        "omit"
    };
    let from = lock.map_or("without a lock".to_owned(), |lock| format!("from {lock}"));
    Ok(Install {
        tool: Tool::Npm,
        base: base(tree, package, lock)?,
        is_locked: lock.is_some(),
        announce: format!("Installing dependencies with npm, {from}"),
        script: format!("npm {verb} --{dev}=dev --prefer-offline {NPM} && {TIDY}"),
        makes: "node_modules",
    })
}

/// The manifests, or the whole tree where they refer to more of it.
fn base(
    tree: &Snapshot,
    package: &Map<String, Value>,
    lock: Option<&'static str>,
) -> Result<Base, Refusal> {
    let is_workspace = package.contains_key("workspaces");
    let has_scripts = LIFECYCLE.iter().any(|name| script(package, name).is_some());
    let lock_text = lock
        .map_or(Ok(None), |lock| tree.text(lock))?
        .unwrap_or_default();
    let links = lock_text.contains("\"link\": true") || lock_text.contains("\"file:");
    let specs_links = DEPENDENCIES
        .iter()
        .any(|part| has_local_entries(package, part));
    if is_workspace || has_scripts || links || specs_links || tree.has("binding.gyp") {
        return Ok(Base::Source);
    }
    let mut files = vec![("package.json".to_owned(), relevant(package))];
    for name in lock.into_iter().chain([".npmrc"]) {
        if let Some(bytes) = tree.bytes(name)? {
            files.push((name.to_owned(), bytes.to_vec()));
        }
    }
    Ok(Base::Manifests(files))
}

fn has_local_entries(package: &Map<String, Value>, part: &str) -> bool {
    let is_local = |spec: &Value| {
        spec.as_str().is_some_and(|s| {
            s.starts_with("file:")
                || s.starts_with("link:")
                || s.starts_with(['.', '/', '~']) && s.contains('/')
        })
    };
    package
        .get(part)
        .and_then(Value::as_object)
        .is_some_and(|entries| entries.values().any(is_local))
}

/// `package.json` without what no installation depends on, so that it does not count.
fn relevant(package: &Map<String, Value>) -> Vec<u8> {
    let mut kept = package.clone();
    for name in IRRELEVANT {
        kept.remove(name);
    }
    serde_json::to_vec(&kept).expect("what was parsed from JSON is JSON")
}

/// The script that builds, in Heroku's order.
fn build_script(package: &Map<String, Value>) -> Option<&'static str> {
    ["heroku-postbuild", "build"]
        .into_iter()
        .find(|name| script(package, name).is_some())
}

fn compile(package: &Map<String, Value>) -> Option<Compile> {
    let name = build_script(package)?;
    let build = format!("npm run {name} {NPM}");
    let prune = format!("npm prune --omit=dev --ignore-scripts --offline {NPM} && {TIDY}");
    let script = if has_entries(package, "devDependencies") {
        format!("{build} && {prune}")
    } else {
        build
    };
    Some(Compile {
        announce: format!("Running the {name} script"),
        script,
    })
}
