use proptest::prelude::*;

use super::*;

/// What is expected of one tree.
enum Expected {
    /// This builder, with these process types.
    Built(&'static str, &'static str),
    /// A refusal that says this.
    Refused(&'static str),
}
use Expected::{Built, Refused};

type Row = (&'static [(&'static str, &'static str)], Expected);

const WEB: (&str, &str) = ("Procfile", "web: run\n");
const DEPS: &str = r#"{"dependencies":{"a":"1"}}"#;
const START: &str = r#"{"scripts":{"start":"node x"}}"#;
const PYPROJECT: &str = "[project]\nname='x'\nversion='1'\ndependencies=['flask']\n";

const TABLE: &[Row] = &[
    // Nothing.
    (
        &[],
        Refused("no app was found at the root of the tree: looked for Procfile"),
    ),
    (&[("README.md", "")], Refused("no app was found")),
    (
        &[("app.py", "")],
        Refused(
            "nothing says how to run app.py: write a Procfile with a line such as `web: python3 app.py`",
        ),
    ),
    // Procfile.
    (&[WEB], Built("Procfile", "web: run")),
    (&[WEB, ("app.py", "")], Built("Procfile", "web: run")),
    (
        &[("Procfile", "web\n")],
        Refused("Procfile line 1 is not of the form"),
    ),
    (
        &[("Procfile", "")],
        Refused("Procfile declares no process type"),
    ),
    (&[("Procfile@", "")], Refused("Procfile is a symbolic link")),
    (&[("Procfile/", "")], Refused("Procfile is a directory")),
    (&[WEB, ("index.html", "")], Built("Procfile", "web: run")),
    (&[WEB, ("Dockerfile", "")], Built("Procfile", "web: run")),
    // Python.
    (
        &[WEB, ("requirements.txt", "flask==3.0.0\n")],
        Built("Python", "web: run"),
    ),
    (
        &[WEB, ("uv.lock", ""), ("pyproject.toml", PYPROJECT)],
        Built("Python", "web: run"),
    ),
    (
        &[WEB, ("uv.lock", "")],
        Refused("uv.lock has no pyproject.toml"),
    ),
    (
        &[WEB, ("pyproject.toml", PYPROJECT)],
        Refused("there is no uv.lock: run `uv lock` and commit uv.lock"),
    ),
    (
        &[WEB, ("pyproject.toml", "[tool.black]\n")],
        Built("Python", "web: run"),
    ),
    (
        &[WEB, ("pyproject.toml", "a\nb = [")],
        Refused("pyproject.toml line 1 is not TOML"),
    ),
    (
        &[WEB, ("pyproject.toml", PYPROJECT), ("requirements.txt", "")],
        Built("Python", "web: run"),
    ),
    (
        &[WEB, ("uv.lock", ""), ("requirements.txt", "")],
        Refused("uv.lock and requirements.txt both declare"),
    ),
    (
        &[WEB, ("poetry.lock", ""), ("pyproject.toml", "")],
        Refused("Poetry is recognised but not built yet"),
    ),
    (
        &[WEB, ("Pipfile.lock", "")],
        Refused("Pipenv is recognised but not built yet"),
    ),
    (
        &[WEB, ("Pipfile", ""), ("requirements.txt", "")],
        Refused("requirements.txt and Pipfile both"),
    ),
    (
        &[WEB, ("setup.py", "")],
        Refused("setup.py pins no dependencies"),
    ),
    (
        &[("requirements.txt", "gunicorn==1"), ("app.py", "")],
        Refused("with a line such as `web: gunicorn app:app`"),
    ),
    (
        &[("requirements.txt", ""), ("main.py", "")],
        Refused("with a line such as `web: python main.py`"),
    ),
    (
        &[("requirements.txt", ""), ("manage.py", "")],
        Refused("web: python manage.py runserver"),
    ),
    (
        &[WEB, ("requirements.txt@", "")],
        Refused("requirements.txt is a symbolic link"),
    ),
    // Python with Node.js beside it.
    (
        &[WEB, ("requirements.txt", ""), ("package.json", START)],
        Built("Python", "web: run"),
    ),
    (
        &[("requirements.txt", ""), ("package.json", START)],
        Built("Node.js", "web: npm start"),
    ),
    (
        &[
            ("Procfile", "web: node a.js"),
            ("requirements.txt", ""),
            ("package.json", "{}"),
        ],
        Built("Node.js", "web: node a.js"),
    ),
    (
        &[
            ("Procfile", "web: node a.js\nw: python b.py"),
            ("requirements.txt", ""),
            ("package.json", "{}"),
        ],
        Built("Python", "web: node a.js"),
    ),
    // Node.js.
    (
        &[("package.json", START)],
        Built("Node.js", "web: npm start"),
    ),
    (
        &[("package.json", "{}"), ("server.js", "")],
        Built("Node.js", "web: node server.js"),
    ),
    (
        &[("package.json", START), WEB],
        Built("Node.js", "web: run"),
    ),
    (
        &[("package.json", "{}")],
        Refused("nothing says how to start this Node.js app"),
    ),
    (
        &[WEB, ("package.json", DEPS)],
        Refused("there is no package-lock.json: run `npm install --package-lock-only`"),
    ),
    (
        &[WEB, ("package.json", DEPS), ("package-lock.json", "{}")],
        Built("Node.js", "web: run"),
    ),
    (
        &[WEB, ("package.json", DEPS), ("npm-shrinkwrap.json", "{}")],
        Built("Node.js", "web: run"),
    ),
    (
        &[WEB, ("package.json", DEPS), ("yarn.lock", "")],
        Refused("yarn.lock is of Yarn, which is recognised but not built yet: npm is"),
    ),
    (
        &[WEB, ("package.json", DEPS), ("pnpm-lock.yaml", "")],
        Refused("pnpm-lock.yaml is of pnpm"),
    ),
    (
        &[
            WEB,
            ("package.json", DEPS),
            ("yarn.lock", ""),
            ("package-lock.json", "{}"),
        ],
        Refused("package-lock.json and yarn.lock both lock"),
    ),
    (
        &[WEB, ("package.json", r#"{"packageManager":"pnpm@9.0.0"}"#)],
        Refused("asks for pnpm@9.0.0, which is not built yet"),
    ),
    (
        &[WEB, ("package.json", r#"{"packageManager":"npm@10.0.0"}"#)],
        Built("Node.js", "web: run"),
    ),
    (
        &[WEB, ("package.json", "{\n,}")],
        Refused("package.json line 2 is not JSON"),
    ),
    (
        &[WEB, ("package.json", "[]")],
        Refused("package.json is not a JSON object"),
    ),
    (
        &[WEB, ("package.json", DEPS), ("package-lock.json@", "")],
        Refused("package-lock.json is a symbolic link"),
    ),
    // Known, and not built yet.
    (
        &[WEB, ("Gemfile", ""), ("package.json", "{}")],
        Refused("Ruby is recognised by Gemfile but not built yet"),
    ),
    (
        &[WEB, ("Cargo.toml", "")],
        Refused("Rust is recognised by Cargo.toml but not built yet"),
    ),
    (
        &[WEB, ("go.mod", "")],
        Refused("Go is recognised by go.mod but not built yet"),
    ),
    (
        &[WEB, ("pom.xml", "")],
        Refused("Java is recognised by pom.xml"),
    ),
    (
        &[WEB, ("composer.json", "")],
        Refused("PHP is recognised by composer.json"),
    ),
    (
        &[WEB, ("mix.exs", "")],
        Refused("Elixir is recognised by mix.exs"),
    ),
    (
        &[WEB, ("shop.csproj", "")],
        Refused(".NET is recognised by shop.csproj"),
    ),
    (
        &[WEB, ("deno.json", "")],
        Refused("Deno is recognised by deno.json"),
    ),
    (
        &[("Dockerfile", "")],
        Refused("Dockerfile is recognised by Dockerfile but not built yet"),
    ),
    (
        &[("index.html", "")],
        Refused("A static site is recognised by index.html"),
    ),
];

fn types(plan: &Plan) -> String {
    let (kind, command) = plan.process_types.iter().next().unwrap();
    format!("{kind}: {command}")
}

#[test]
fn the_table_of_trees_is_detected_as_expected() {
    for (files, expected) in TABLE {
        let names: Vec<_> = files.iter().map(|(name, _)| name).collect();
        match (detect(&Snapshot::of(files), Wishes::default()), expected) {
            (Ok(plan), Built(builder, first)) => {
                assert_eq!(
                    (plan.builder, types(&plan).as_str()),
                    (*builder, *first),
                    "{names:?}"
                );
            }
            (Err(Refusal(sentence)), Refused(part)) => {
                assert!(sentence.contains(part), "{names:?} gave {sentence:?}");
            }
            (outcome, _) => panic!("{names:?} gave {outcome:?}"),
        }
    }
}

fn plan(files: &[(&str, &str)]) -> Plan {
    detect(&Snapshot::of(files), Wishes::default()).unwrap()
}

#[test]
fn an_app_may_ask_for_unlocked_dependencies_and_is_warned() {
    let wishes = Wishes {
        allow_unlocked: true,
    };
    let trees: [&[(&str, &str)]; 2] = [
        &[WEB, ("package.json", DEPS)],
        &[WEB, ("pyproject.toml", PYPROJECT)],
    ];
    for files in trees {
        let plan = detect(&Snapshot::of(files), wishes).unwrap();
        assert!(!plan.install.unwrap().is_locked);
        assert!(
            plan.warnings.iter().any(|w| w.contains("not locked")),
            "{:?}",
            plan.warnings
        );
    }
}

#[test]
fn lines_that_pin_nothing_are_warned_of_unless_hashes_do() {
    for (text, expected) in [
        ("flask\nflask==1\n", Some("1 line of requirements.txt pin")),
        (
            "flask>=1\ndjango\n",
            Some("2 lines of requirements.txt pin"),
        ),
        ("flask==1.*\n", Some("1 line")),
        (
            "# c\n\n-i https://x\nflask==1 # c\nx @ https://y/z.whl\na==1; python_version > '3'\n",
            None,
        ),
        ("flask --hash=sha256:00\n", None),
    ] {
        let warnings = plan(&[WEB, ("requirements.txt", text)]).warnings;
        let found = warnings
            .iter()
            .any(|w| expected.is_some_and(|e| w.contains(e)));
        assert_eq!(found, expected.is_some(), "{text:?} gave {warnings:?}");
        assert!(
            expected.is_some() || warnings.is_empty(),
            "{text:?} gave {warnings:?}"
        );
    }
}

#[test]
fn hashes_are_required_where_there_are_any() {
    let script = |text| {
        plan(&[WEB, ("requirements.txt", text)])
            .install
            .unwrap()
            .script
    };
    assert!(script("a==1 --hash=sha256:00\n").contains("--require-hashes"));
    assert!(!script("a==1\n").contains("--require-hashes"));
}

#[test]
fn manifests_that_refer_to_the_tree_are_installed_on_all_of_it() {
    let lock = |source: &str| format!("[[package]]\nname = \"x\"\nsource = {source}\n");
    let uv = |source: &str| {
        let lock = lock(source);
        plan(&[WEB, ("pyproject.toml", PYPROJECT), ("uv.lock", &lock)])
    };
    let npm = |package: &str, lock: &str| {
        plan(&[WEB, ("package.json", package), ("package-lock.json", lock)])
    };
    let with_script =
        |name: &str| format!(r#"{{"dependencies":{{"a":"1"}},"scripts":{{"{name}":"x"}}}}"#);
    for (plan, whole) in [
        (plan(&[WEB, ("requirements.txt", "a==1\n")]), false),
        (plan(&[WEB, ("requirements.txt", "-r more.txt\n")]), true),
        (plan(&[WEB, ("requirements.txt", "-e .\n")]), true),
        (plan(&[WEB, ("requirements.txt", "./lib\n")]), true),
        (uv("{ virtual = \".\" }"), false),
        (uv("{ editable = \".\" }"), false),
        (uv("{ registry = \"https://pypi.org/simple\" }"), false),
        (uv("{ editable = \"libs/y\" }"), true),
        (npm(DEPS, "{}"), false),
        (npm(&with_script("build"), "{}"), false),
        (npm(&with_script("postinstall"), "{}"), true),
        (npm(DEPS, r#"{"link": true}"#), true),
        (npm(r#"{"dependencies":{"a":"file:lib"}}"#, "{}"), true),
    ] {
        assert_eq!(
            plan.install.clone().unwrap().base == Base::Source,
            whole,
            "{plan:?}"
        );
    }
}

#[test]
fn parts_of_a_package_that_change_no_installation_are_not_seen_by_it() {
    let base = |package: &str| {
        plan(&[WEB, ("package.json", package), ("package-lock.json", "{}")])
            .install
            .unwrap()
            .base
    };
    let same = base(r#"{"version":"2","scripts":{"test":"y"},"dependencies":{"a":"1"}}"#);
    assert_eq!(base(DEPS), same);
    assert_ne!(base(DEPS), base(r#"{"dependencies":{"a":"2"}}"#));
    assert_ne!(
        base(DEPS),
        base(r#"{"dependencies":{"a":"1"},"overrides":{"b":"1"}}"#)
    );
}

#[test]
fn development_dependencies_are_there_for_the_build_and_gone_after_it() {
    let package =
        r#"{"dependencies":{"a":"1"},"devDependencies":{"b":"1"},"scripts":{"build":"x"}}"#;
    let built = plan(&[WEB, ("package.json", package), ("package-lock.json", "{}")]);
    assert!(built.install.unwrap().script.contains("--include=dev"));
    assert!(
        built
            .compile
            .unwrap()
            .script
            .contains("npm prune --omit=dev")
    );
    let plain = plan(&[WEB, ("package.json", DEPS), ("package-lock.json", "{}")]);
    assert!(plain.install.unwrap().script.contains("--omit=dev"));
    assert_eq!(plain.compile, None);
}

#[test]
fn every_place_that_asks_for_a_version_is_heard() {
    let python = plan(&[
        WEB,
        ("requirements.txt", ""),
        ("runtime.txt", "python-3.11.2\n"),
        (".python-version", "# c\n3.11\n"),
        ("pyproject.toml", "[project]\nrequires-python = '>=3.10'\n"),
    ]);
    let ranges: Vec<_> = python.needs[0]
        .wanted
        .iter()
        .map(|w| w.range.as_str())
        .collect();
    assert_eq!(ranges, ["3.11.2", "3.11", ">=3.10"]);
    let node = plan(&[WEB, ("package.json", r#"{"engines":{"node":">=18"}}"#)]);
    assert_eq!(node.needs[0].wanted[0].range, ">=18");
}

proptest! {
    #[test]
    fn whatever_a_tree_holds_it_is_planned_or_refused_in_one_sentence(
        names in proptest::sample::subsequence(vec![
            "Procfile", "requirements.txt", "uv.lock", "pyproject.toml", "package.json",
            "package-lock.json", "yarn.lock", "poetry.lock", "Cargo.toml", "server.js", "runtime.txt",
            "Dockerfile", "app.py",
        ], 0..13),
        contents in proptest::collection::vec("[ -~\n]{0,40}", 13),
    ) {
        let files: Vec<_> = names.iter().copied().zip(contents.iter().map(String::as_str)).collect();
        if let Err(Refusal(sentence)) = detect(&Snapshot::of(&files), Wishes::default()) {
            prop_assert!(!sentence.trim().is_empty() && !sentence.trim().contains('\n'), "{sentence:?}");
        }
    }
}
