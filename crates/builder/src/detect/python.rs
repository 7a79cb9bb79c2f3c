//! Python: `requirements.txt` or `uv.lock`, installed by uv into `/app/.venv`.

use noon_domain::ProcessTypes;
use toml::Table;

use super::Wishes;
use super::plan::{Base, Install, Need, Plan, Refusal, Runtime, Tool, refuse};
use super::procfile::declared;
use super::requirements;
use super::snapshot::Snapshot;
use super::versions::{Dialect, Wanted};

/// Names that mean Python.
pub(super) const SIGNS: &[&str] = &[
    "requirements.txt",
    "uv.lock",
    "pyproject.toml",
    "poetry.lock",
    "Pipfile",
    "Pipfile.lock",
    "setup.py",
    "environment.yml",
];
/// Names that are read.
pub(super) const MANIFESTS: &[&str] = &[
    "Procfile",
    "requirements.txt",
    "uv.lock",
    "pyproject.toml",
    "uv.toml",
    ".python-version",
    "runtime.txt",
];

const SYNC: &str = r#"UV_PYTHON="$(command -v python3)" uv sync --no-dev --no-install-project"#;
const MAKE_VENV: &str = r#"uv venv --quiet --python "$(command -v python3)" .venv"#;
const PIP: &str = "uv pip install --python .venv/bin/python --compile-bytecode -r requirements.txt";
const STDLIB_VENV: &str = "python3 -m venv --without-pip .venv";

/// What declares the dependencies.
enum Manager {
    UvLock,
    Requirements,
    /// A `pyproject.toml` with dependencies and no lock.
    Unlocked,
    Nothing,
}

/// Plans a Python tree.
pub(super) fn plan(tree: &Snapshot, wishes: Wishes) -> Result<Plan, Refusal> {
    let project = project(tree)?;
    let manager = manager(tree, &project, wishes)?;
    let Some(types) = declared(tree)? else {
        return refuse(format!(
            "Python apps need a Procfile at the root of the tree, with a line such as `web: {}`",
            suggested_command(tree)?
        ));
    };
    let mut plan = Plan::new("Python", types);
    plan.needs = vec![Need {
        runtime: Runtime::Python,
        wanted: wanted(tree, &project)?,
    }];
    plan.warnings = warnings(tree, &manager)?;
    plan.install = Some(install(tree, &project, &manager)?);
    Ok(plan)
}

fn project(tree: &Snapshot) -> Result<Table, Refusal> {
    let Some(text) = tree.text("pyproject.toml")? else {
        return Ok(Table::new());
    };
    text.parse().or_else(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        refuse(format!(
            "pyproject.toml line {line} is not TOML: {}",
            error.message()
        ))
    })
}

/// The one that declares dependencies; two are refused, for nobody could say which one is true.
fn manager(tree: &Snapshot, project: &Table, wishes: Wishes) -> Result<Manager, Refusal> {
    let found: Vec<&str> = ["uv.lock", "requirements.txt", "poetry.lock", "Pipfile"]
        .into_iter()
        .filter(|name| tree.has(name) || (*name == "Pipfile" && tree.has("Pipfile.lock")))
        .collect();
    if let [first, second, ..] = found[..] {
        return refuse(format!(
            "{first} and {second} both declare dependencies: keep the one that you use and remove the other"
        ));
    }
    match found.first() {
        Some(&"uv.lock") if !tree.has("pyproject.toml") => {
            refuse("uv.lock has no pyproject.toml beside it: commit both")
        }
        Some(&"uv.lock") => Ok(Manager::UvLock),
        Some(&"requirements.txt") => requirements_or_nothing(tree),
        Some(&"poetry.lock") => refuse(
            "Poetry is recognised but not built yet: run `poetry export -o requirements.txt` and commit that in place of poetry.lock",
        ),
        Some(_) => refuse(
            "Pipenv is recognised but not built yet: run `pipenv requirements --hash > requirements.txt` and commit that in place of the Pipfile",
        ),
        None => unlocked(tree, project, wishes),
    }
}

fn requirements_or_nothing(tree: &Snapshot) -> Result<Manager, Refusal> {
    let text = tree.text("requirements.txt")?.unwrap_or_default();
    Ok(if requirements::is_blank(text) {
        Manager::Nothing
    } else {
        Manager::Requirements
    })
}

fn unlocked(tree: &Snapshot, project: &Table, wishes: Wishes) -> Result<Manager, Refusal> {
    if tree.has("pyproject.toml") {
        return match (declares_dependencies(project), wishes.allow_unlocked) {
            (false, _) => Ok(Manager::Nothing),
            (true, true) => Ok(Manager::Unlocked),
            (true, false) => refuse(
                "pyproject.toml declares dependencies but there is no uv.lock: run `uv lock` and commit uv.lock",
            ),
        };
    }
    let sign = tree.first_of(SIGNS).unwrap_or("setup.py");
    refuse(format!(
        "{sign} pins no dependencies: run `pip freeze > requirements.txt` and commit requirements.txt in its place"
    ))
}

fn declares_dependencies(project: &Table) -> bool {
    let some = |value: Option<&toml::Value>| match value {
        Some(toml::Value::Array(list)) => !list.is_empty(),
        Some(toml::Value::Table(table)) => table.keys().any(|name| name != "python"),
        _ => false,
    };
    let poetry = project
        .get("tool")
        .and_then(|tool| tool.get("poetry"))
        .and_then(|poetry| poetry.get("dependencies"));
    some(project.get("project").and_then(|p| p.get("dependencies"))) || some(poetry)
}

/// Each version that a file asks for.
fn wanted(tree: &Snapshot, project: &Table) -> Result<Vec<Wanted>, Refusal> {
    let mut wanted = Vec::new();
    if let Some(text) = tree.text("runtime.txt")? {
        let range = text.trim().trim_start_matches("python-").to_owned();
        wanted.push(prefix("runtime.txt", range));
    }
    if let Some(text) = tree.text(".python-version")? {
        let line = text
            .lines()
            .map(str::trim)
            .find(|l| !l.is_empty() && !l.starts_with('#'));
        let range = line
            .unwrap_or_default()
            .trim_start_matches("python-")
            .to_owned();
        wanted.push(prefix(".python-version", range));
    }
    let requires = project
        .get("project")
        .and_then(|p| p.get("requires-python"));
    if let Some(range) = requires.and_then(toml::Value::as_str) {
        wanted.push(Wanted {
            by: "requires-python in pyproject.toml",
            range: range.to_owned(),
            dialect: Dialect::Pep440,
        });
    }
    Ok(wanted)
}

fn prefix(by: &'static str, range: String) -> Wanted {
    Wanted {
        by,
        range,
        dialect: Dialect::Prefix,
    }
}

fn warnings(tree: &Snapshot, manager: &Manager) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    if let (Manager::Requirements, Some(text)) = (manager, tree.text("requirements.txt")?) {
        let unpinned = requirements::unpinned(text);
        if let (Some(first), false) = (unpinned.first(), requirements::has_hashes(text)) {
            warnings.push(format!(
                "{} of requirements.txt pin no version (`{first}`): the next build may install others",
                count(unpinned.len(), "line")
            ));
        }
    }
    if matches!(manager, Manager::Unlocked) {
        warnings.push("Dependencies are not locked: the next build may install others".to_owned());
    }
    if tree.has("package.json") {
        warnings.push("package.json is not looked at, because this is a Python app".to_owned());
    }
    Ok(warnings)
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn install(tree: &Snapshot, project: &Table, manager: &Manager) -> Result<Install, Refusal> {
    let (tool, script, announce) = match manager {
        Manager::UvLock => (Tool::Uv, sync(project), " with uv, from uv.lock"),
        Manager::Unlocked => (Tool::Uv, SYNC.to_owned(), " with uv, without a lock"),
        Manager::Requirements => (Tool::Uv, pip(tree)?, " with uv, from requirements.txt"),
        Manager::Nothing => (Tool::Venv, STDLIB_VENV.to_owned(), ": none are declared"),
    };
    Ok(Install {
        tool,
        base: base(tree, manager)?,
        is_locked: !matches!(manager, Manager::Unlocked),
        announce: format!("Installing dependencies{announce}"),
        script,
        makes: ".venv",
    })
}

/// A lock that no longer fits is refused, but where only a build of the project could tell.
fn sync(project: &Table) -> String {
    let is_dynamic = project
        .get("project")
        .is_some_and(|p| p.get("dynamic").is_some());
    let check = if is_dynamic { "--frozen" } else { "--locked" };
    format!("{SYNC} {check}")
}

fn pip(tree: &Snapshot) -> Result<String, Refusal> {
    let text = tree.text("requirements.txt")?.unwrap_or_default();
    let hashes = if requirements::has_hashes(text) {
        " --require-hashes"
    } else {
        ""
    };
    Ok(format!("{MAKE_VENV} && {PIP}{hashes}"))
}

/// The manifests, or the whole tree where they refer to more of it.
fn base(tree: &Snapshot, manager: &Manager) -> Result<Base, Refusal> {
    let (names, refers_to_tree): (&[&str], bool) = match manager {
        Manager::Nothing => (&[], false),
        Manager::Requirements => {
            let text = tree.text("requirements.txt")?.unwrap_or_default();
            (
                &["requirements.txt", "uv.toml"],
                requirements::refer_to_tree(text),
            )
        }
        Manager::UvLock | Manager::Unlocked => {
            let lock = tree.text("uv.lock")?.unwrap_or_default();
            let project = tree.text("pyproject.toml")?.unwrap_or_default();
            let refers = lock_refers_to_tree(lock) || project.contains("[tool.uv.workspace]");
            (&["pyproject.toml", "uv.lock", "uv.toml"], refers)
        }
    };
    if refers_to_tree {
        return Ok(Base::Source);
    }
    let mut files = Vec::new();
    for name in names {
        if let Some(bytes) = tree.bytes(name)? {
            files.push(((*name).to_owned(), bytes.to_vec()));
        }
    }
    Ok(Base::Manifests(files))
}

/// Whether a lock file has packages of this tree other than the app itself.
fn lock_refers_to_tree(lock: &str) -> bool {
    lock.lines()
        .filter(|line| line.starts_with("source = {"))
        .any(|line| {
            let is_root = line.contains("= \".\"");
            let is_local = ["editable", "virtual", "directory", "path"]
                .iter()
                .any(|kind| line.contains(&format!("{{ {kind} =")));
            is_local && !is_root
        })
}

fn suggested_command(tree: &Snapshot) -> Result<String, Refusal> {
    let has_gunicorn = ["requirements.txt", "uv.lock"]
        .iter()
        .any(|name| matches!(tree.text(name), Ok(Some(text)) if text.contains("gunicorn")));
    let file = tree.first_of(&["app.py", "main.py", "server.py", "*.py"]);
    Ok(match (tree.has("manage.py"), has_gunicorn, file) {
        (true, true, _) => "gunicorn mysite.wsgi".to_owned(),
        (true, false, _) => "python manage.py runserver 0.0.0.0:$PORT".to_owned(),
        (false, true, Some(file)) => {
            format!("gunicorn {}:app", file.trim_end_matches(".py"))
        }
        (false, _, file) => format!("python {}", file.unwrap_or("app.py")),
    })
}

/// Whether all commands of these types are Node's own.
pub(super) fn are_commands_of_node(types: &ProcessTypes) -> bool {
    let of_node = |command: &str| {
        matches!(
            command.split_whitespace().next(),
            Some("node" | "npm" | "npx")
        )
    };
    !types.is_empty() && types.iter().all(|(_, command)| of_node(command))
}
