//! The table of attacks, held to the sources: `docs/attacks.md` names tests that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many attacks there are.
const ATTACKS: u32 = 85;

/// One row of the table.
struct Row {
    number: u32,
    /// Each a file below `crates/` and a function in it.
    tests: Vec<(String, String)>,
    root: String,
    rootless: String,
    reason: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rows() -> Vec<Row> {
    let table = fs::read_to_string(root().join("docs/attacks.md")).expect("a table");
    table.lines().filter_map(row).collect()
}

/// A row whose first cell is a number; other lines are none.
fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
    let number = cells.first()?.parse().ok()?;
    let [_, _, _, tests, root, rootless, reason, ..] = cells[..] else {
        panic!("attack {number} has too few cells")
    };
    let names = tests.split('`').skip(1).step_by(2);
    let pair = |name: &str| {
        let (file, function) = name.split_once("::").expect("a file and a function");
        (file.to_owned(), function.to_owned())
    };
    Some(Row {
        number,
        tests: names.map(pair).collect(),
        root: root.to_owned(),
        rootless: rootless.to_owned(),
        reason: reason.to_owned(),
    })
}

#[test]
fn every_attack_has_its_row_once() {
    let numbers: Vec<u32> = rows().iter().map(|row| row.number).collect();
    let expected: Vec<u32> = (1..=ATTACKS).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn every_test_that_the_table_names_exists() {
    for row in rows() {
        for (file, function) in &row.tests {
            let source = fs::read_to_string(root().join("crates").join(file));
            let source =
                source.unwrap_or_else(|error| panic!("attack {}: {file}: {error}", row.number));
            let needle = format!("fn {function}(");
            assert!(
                source.contains(&needle),
                "attack {}: no {needle} in {file}",
                row.number
            );
        }
    }
}

#[test]
fn what_is_not_tried_has_a_reason() {
    for row in rows() {
        for word in [&row.root, &row.rootless] {
            let known = ["yes", "same", "no"].contains(&word.as_str());
            assert!(
                known,
                "attack {}: {word:?} is neither yes, same nor no",
                row.number
            );
            let is_tried = word != "no" && !row.tests.is_empty();
            assert!(
                is_tried || row.reason.len() > 20,
                "attack {} has no reason",
                row.number
            );
        }
    }
}

/// An attack that a list of the suite has forgotten would never be tried.
#[test]
fn every_attack_of_the_suite_stands_in_the_table() {
    let named: BTreeSet<String> = rows()
        .into_iter()
        .flat_map(|row| row.tests)
        .map(|(_, name)| name)
        .collect();
    let suite = root().join("crates/sandbox/tests/attacks");
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(suite).expect("a suite") {
        let source = fs::read_to_string(entry.expect("readable").path()).expect("readable");
        let Some((_, listed)) = source.split_once("\nattacks!(") else {
            continue;
        };
        let listed = listed.split(')').next().unwrap_or_default();
        let names = listed
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        forgotten.extend(
            names
                .filter(|name| !named.contains(*name))
                .map(str::to_owned),
        );
    }
    assert!(
        forgotten.is_empty(),
        "not in docs/attacks.md: {forgotten:?}"
    );
}
