//! Tables that say which test shows what: the tests exist, and no row is left out.

use std::{collections::BTreeSet, path::Path};

/// The names of all functions in the Rust files below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text
                .lines()
                .filter_map(|line| line.split_once("fn ")?.1.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

/// The rows of the tables of a text: the number that each begins with, and what its last column names.
fn rows(text: &str) -> Vec<(u32, Vec<String>)> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim_start_matches("//! ").strip_prefix("| ")?;
            let number = line.split([' ', '|']).next()?.parse().ok()?;
            let tests = line.trim_end_matches(" |").rsplit(" | ").next()?;
            let names = tests.split('`').skip(1).step_by(2).map(str::to_owned);
            Some((number, names.collect()))
        })
        .collect()
}

#[test]
fn every_row_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut known = BTreeSet::new();
    for folder in ["simulator", "source", "tests"] {
        functions(&root.join(folder), &mut known);
    }
    for (file, count) in [
        ("simulator/README.md", 48),
        ("source/tests/simulator/collectors.rs", 12),
    ] {
        let rows = rows(&std::fs::read_to_string(root.join(file)).unwrap());
        let numbers: Vec<_> = rows.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{file}");
        for (number, tests) in rows {
            assert!(!tests.is_empty(), "row {number} of {file} names no test");
            for test in tests {
                assert!(
                    known.contains(&test),
                    "row {number} of {file}: there is no test `{test}`"
                );
            }
        }
    }
}
