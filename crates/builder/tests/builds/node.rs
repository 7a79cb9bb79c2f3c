//! Real Node.js builds, from the registry, behind walls.

use crate::support::{House, has_registry, layer_dir};

const PACKAGE: &str = include_str!("fixtures/package.json");
const LOCK: &str = include_str!("fixtures/package-lock.json");
const BUILD: &str = "const fs = require('fs');\n\
    require('kind-of');\n\
    fs.mkdirSync('dist', { recursive: true });\n\
    fs.writeFileSync('dist/out.txt', fs.readFileSync('src.txt'));\n\
    require('net').connect(443, '1.1.1.1').on('error', e => console.log('net: ' + e.code));\n";

fn tree(source: &str) -> [(&str, &str); 5] {
    [
        ("package.json", PACKAGE),
        ("package-lock.json", LOCK),
        ("build.js", BUILD),
        ("server.js", "require('is-odd');\n"),
        ("src.txt", source),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_app_is_installed_built_without_network_and_pruned() {
    if !has_registry("registry.npmjs.org") {
        return;
    }
    let house = House::new();
    let first = house.push(&tree("one")).await;
    let slug = first.slug();
    assert_eq!((slug.builder.as_str(), slug.layers.len()), ("Node.js", 3));
    let [deps, output] = [0, 2].map(|index| layer_dir(&house, slug, index));
    assert!(deps.join("node_modules/is-odd/index.js").exists());
    assert!(
        !deps.join("package.json").exists(),
        "manifests are no part of the layer"
    );
    assert_eq!(
        std::fs::read_to_string(output.join("dist/out.txt")).unwrap(),
        "one"
    );
    let pruned = output
        .join("node_modules/kind-of")
        .symlink_metadata()
        .unwrap();
    assert!(!pruned.is_dir(), "the development dependency is whited out");
    assert!(first.says("net: ENETUNREACH"), "{:?}", first.lines);
    assert!(first.says("       The start script gives types -> web"));

    let second = house.push(&tree("two")).await;
    assert_eq!(second.slug().layers[0], slug.layers[0]);
    assert_ne!(second.slug().layers[2], slug.layers[2]);
    assert_eq!(
        second.ran.len(),
        1,
        "only the build script runs: {:?}",
        second.ran
    );
    assert!(!second.ran[0].contains("npm ci"));

    let again = house.push(&tree("two")).await;
    assert_eq!(again.ran, Vec::<String>::new(), "nothing is built twice");
    assert_eq!(again.slug().id, second.slug().id);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cold_builds_in_two_houses_give_one_slug() {
    if !has_registry("registry.npmjs.org") {
        return;
    }
    let (one, two) = (House::new(), House::new());
    let (first, second) = (one.push(&tree("x")).await, two.push(&tree("x")).await);
    assert_eq!(first.slug().layers, second.slug().layers);
    assert_eq!(first.slug().id, second.slug().id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_script_that_fails_keeps_what_was_installed_and_nothing_else() {
    if !has_registry("registry.npmjs.org") {
        return;
    }
    let house = House::new();
    let mut broken = tree("x");
    broken[2].1 = "console.error('\\x1b[2Jno way'); process.exit(3)\n";
    let failed = house.push(&broken).await;
    assert_eq!(
        failed.failure().sentence,
        "Push rejected, failed to compile Node.js app: the build exited with 3 (build)"
    );
    assert!(failed.says("       no way"), "{:?}", failed.lines);
    assert_eq!(house.names("layers").len(), 1, "the dependencies");
    assert_eq!(house.names("builds"), Vec::<String>::new());
    let healed = house.push(&tree("x")).await;
    assert!(healed.says("-----> Dependencies are unchanged"));
    healed.slug();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_does_not_fit_is_refused_by_npm_and_said_so() {
    if !has_registry("registry.npmjs.org") {
        return;
    }
    let house = House::new();
    let mut files = tree("x");
    let package = PACKAGE.replace("\"is-odd\": \"3.0.1\"", "\"is-odd\": \"2.0.0\"");
    assert_ne!(package, PACKAGE);
    files[0].1 = &package;
    let failed = house.push(&files).await;
    assert!(
        failed
            .failure()
            .sentence
            .contains("npm exited with 1 (install dependencies)")
    );
    assert!(failed.says("npm ci"), "{:?}", failed.lines);
    assert_eq!(house.names("layers"), Vec::<String>::new());
}
