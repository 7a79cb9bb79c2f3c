//! The walls of the house, read from the manifests and the sources: who may lean on whom, and
//! which words may stand where.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and all that it may lean on: other rooms by name, crates from outside by theirs.
const MAY_LEAN_ON: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &["thiserror", "uuid"]),
    (
        "store",
        &["domain"],
        &[
            "chacha20poly1305",
            "getrandom",
            "hmac",
            "sha2",
            "sqlx",
            "subtle",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ],
    ),
    (
        "builder",
        &["domain"],
        &[
            "semver",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
            "toml",
            "tracing",
            "uuid",
        ],
    ),
    (
        "machine",
        &["domain", "sandbox"],
        &[
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ],
    ),
    (
        "sandbox",
        &[],
        &["landlock", "libc", "rustix", "seccompiler", "thiserror"],
    ),
    (
        "logs",
        &["domain"],
        &[
            "jiff",
            "libc",
            "memchr",
            "memmap2",
            "rustix",
            "thiserror",
            "tracing",
            "uuid",
        ],
    ),
    (
        "control",
        &["builder", "domain", "store"],
        &["getrandom", "thiserror", "tokio", "tracing"],
    ),
    (
        "wire",
        &["domain"],
        &["jiff", "serde", "serde_json", "uuid"],
    ),
    (
        "api",
        &["control", "domain", "logs", "wire"],
        &[
            "axum",
            "base64",
            "bytes",
            "futures-util",
            "hmac",
            "hyper",
            "hyper-util",
            "serde",
            "serde_json",
            "sha2",
            "tokio",
            "tracing",
            "uuid",
        ],
    ),
    (
        "codebase",
        &["control", "domain"],
        &[
            "axum",
            "base64",
            "bytes",
            "flate2",
            "futures-util",
            "getrandom",
            "http",
            "http-body-util",
            "memchr",
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio-util",
            "tracing",
            "uuid",
        ],
    ),
    (
        "router",
        &["domain"],
        &[
            "arc-swap",
            "bytes",
            "getrandom",
            "httparse",
            "memchr",
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "uuid",
        ],
    ),
];

fn crates_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of all rooms.
fn rooms() -> Vec<String> {
    let entries = fs::read_dir(crates_dir()).expect("readable");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .expect("readable")
            .file_name()
            .into_string()
            .expect("readable")
    };
    entries.map(name).collect()
}

/// The names under `[dependencies]` of a manifest.
fn dependencies(room: &str) -> BTreeSet<String> {
    let path = crates_dir().join(room).join("Cargo.toml");
    let manifest = fs::read_to_string(&path).expect("readable");
    let mut names = BTreeSet::new();
    let mut is_inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            is_inside = line == "[dependencies]" || line == "[build-dependencies]";
        } else if is_inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn every_room_leans_only_on_what_its_wall_allows() {
    let mut broken = Vec::new();
    for (room, rooms, outside) in MAY_LEAN_ON {
        let allowed: BTreeSet<String> = rooms
            .iter()
            .map(|room| format!("noon-{room}"))
            .chain(outside.iter().map(|&name| name.to_owned()))
            .collect();
        let surplus: Vec<_> = dependencies(room).difference(&allowed).cloned().collect();
        if !surplus.is_empty() {
            broken.push(format!("{room} leans on {}", surplus.join(", ")));
        }
    }
    assert!(broken.is_empty(), "walls broken:\n{}", broken.join("\n"));
}

#[test]
fn every_room_stands_in_the_table() {
    let named: BTreeSet<&str> = MAY_LEAN_ON.iter().map(|(room, ..)| *room).collect();
    for name in rooms() {
        let is_free = matches!(name.as_str(), "cli" | "testkit");
        assert!(
            is_free || named.contains(name.as_str()),
            "{name} has no wall"
        );
    }
}

#[test]
fn nobody_leans_on_the_testkit() {
    for name in rooms() {
        assert!(!dependencies(&name).contains("noon-testkit"), "{name}");
    }
}

/// All Rust sources of a room, tests included, by path.
fn sources(dir: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(dir).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.insert(path.clone(), fs::read_to_string(&path).expect("readable"));
        }
    }
}

fn sources_of(room: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    sources(&crates_dir().join(room).join("src"), &mut found);
    found
}

#[test]
fn words_stand_only_in_the_rooms_that_own_them() {
    // A word, and the rooms whose sources may hold it.
    let owned: &[(&str, &[&str])] = &[
        ("unsafe {", &["sandbox", "logs"]),
        ("std::env::var", &["cli", "sandbox", "machine", "codebase"]),
        (
            "derive(Serialize",
            &["wire", "api", "cli", "machine", "router", "builder"],
        ),
        ("libc::", &["sandbox", "logs"]),
        ("todo!(", &[]),
        ("unimplemented!(", &[]),
    ];
    let mut broken = Vec::new();
    for (room, ..) in MAY_LEAN_ON {
        for (path, text) in sources_of(room) {
            for (word, rooms) in owned {
                if text.contains(word) && !rooms.contains(room) {
                    broken.push(format!("{} says {word}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "walls broken:\n{}", broken.join("\n"));
}

#[test]
fn no_source_silences_a_lint_without_a_reason() {
    // Put together, so that this file does not hold the words that it looks for.
    let words = ["#[", "#!["].map(|open| format!("{open}allow("));
    let mut found = BTreeMap::new();
    rooms()
        .iter()
        .for_each(|room| sources(&crates_dir().join(room), &mut found));
    for (path, text) in found {
        assert!(
            !words.iter().any(|word| text.contains(word)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn files_hold_one_noun_each_and_stay_below_600_lines() {
    for room in rooms() {
        for (path, text) in sources_of(&room) {
            let lines = text.lines().count();
            assert!(lines <= 600, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn every_room_opens_with_its_door_plate() {
    for room in rooms() {
        let src = crates_dir().join(&room).join("src");
        let root = ["lib.rs", "main.rs"].map(|name| src.join(name));
        let root = root.iter().find(|path| path.exists()).expect("a root");
        let text = fs::read_to_string(root).expect("readable");
        assert!(
            text.starts_with("//!") && text.lines().count() > 3,
            "{}",
            root.display()
        );
    }
}
