//! Real Python builds, from the registry, behind walls.

use crate::support::{House, has_registry, layer_dir};

const PROCFILE: (&str, &str) = ("Procfile", "web: python app.py\nworker: python work.py\n");
const PINS: (&str, &str) = ("requirements.txt", "six==1.16.0\nidna==3.7\n");

#[tokio::test(flavor = "multi_thread")]
async fn requirements_become_a_layer_that_a_one_line_change_uses_again() {
    if !has_registry("pypi.org") {
        return;
    }
    let house = House::new();
    let first = house
        .push(&[PROCFILE, PINS, ("app.py", "import six\n")])
        .await;
    let slug = first.slug();
    assert_eq!(slug.builder, "Python");
    assert_eq!(slug.layers.len(), 2);
    assert!(
        layer_dir(&house, slug, 0)
            .join(".venv/lib/python3.11/site-packages/six.py")
            .exists()
    );
    assert!(first.says("-----> Building on the debian-12 stack"));
    assert!(first.says("-----> Using builder: Python"));
    assert!(first.says("       Procfile declares types -> web, worker"));
    assert!(first.says(&format!("-----> Slug sha256:{}", &slug.id.to_string()[..8])));

    let second = house
        .push(&[PROCFILE, PINS, ("app.py", "import six, idna\n")])
        .await;
    assert_eq!(second.ran.len(), 0, "{:?}", second.ran);
    assert!(second.says("-----> Dependencies are unchanged"));
    assert_eq!(second.slug().layers[0], slug.layers[0]);
    assert_ne!(second.slug().layers[1], slug.layers[1]);
    assert_eq!(house.names("builds"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cold_builds_in_two_houses_give_one_slug() {
    if !has_registry("pypi.org") {
        return;
    }
    let tree = [PROCFILE, PINS, ("app.py", "import six\n")];
    let (one, two) = (House::new(), House::new());
    let first = one.push(&tree).await;
    let second = two.push(&tree).await;
    assert_eq!(first.slug().layers, second.slug().layers);
    assert_eq!(first.slug().id, second.slug().id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_uv_is_installed_as_it_stands() {
    if !has_registry("pypi.org") {
        return;
    }
    let house = House::new();
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"six==1.16.0\"]\n";
    let lock = include_str!("fixtures/uv.lock");
    let built = house
        .push(&[PROCFILE, ("pyproject.toml", project), ("uv.lock", lock)])
        .await;
    let site = layer_dir(&house, built.slug(), 0).join(".venv/lib/python3.11/site-packages");
    assert!(site.join("six.py").exists());
    assert!(site.join("__pycache__/six.cpython-311.pyc").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_does_not_fit_its_project_is_refused() {
    if !has_registry("pypi.org") {
        return;
    }
    let house = House::new();
    let project = "[project]\nname = \"demo\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"idna==3.7\"]\n";
    let lock = include_str!("fixtures/uv.lock");
    let files = [PROCFILE, ("pyproject.toml", project), ("uv.lock", lock)];
    let failed = house.push(&files).await;
    assert!(
        failed.failure().sentence.contains("uv exited with 1"),
        "{:?}",
        failed.failure()
    );
    assert!(failed.says("uv lock"), "{:?}", failed.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_that_fails_leaves_no_trace_and_the_next_push_heals_it() {
    if !has_registry("pypi.org") {
        return;
    }
    let house = House::new();
    house.push(&[PROCFILE, PINS]).await.slug();
    let before = house.memory();
    let wrong = ("requirements.txt", "six==99.99.99\n");
    let failed = house.push(&[PROCFILE, wrong, ("app.py", "")]).await;
    let failure = failed.failure();
    assert_eq!(failure.step, "install dependencies");
    assert_eq!(
        failure.sentence,
        "Push rejected, failed to compile Python app: uv exited with 1 (install dependencies)"
    );
    assert!(failed.says("six==99.99.99"), "{:?}", failed.lines);
    assert_eq!(house.memory(), before);
    assert_eq!(house.names("builds"), Vec::<String>::new());
    house.push(&[PROCFILE, PINS, ("app.py", "")]).await.slug();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_dependencies_gets_its_python_without_a_registry() {
    if !crate::support::has_walls() {
        return;
    }
    let house = House::new();
    let built = house
        .push(&[PROCFILE, ("requirements.txt", "# none\n"), ("app.py", "")])
        .await;
    let venv = layer_dir(&house, built.slug(), 0).join(".venv/bin/python");
    assert!(venv.symlink_metadata().is_ok(), "{:?}", built.lines);
}
