//! Our own fixtures: every pair below `fixtures/`, with the default options.
//!
//! `UPDATE_EXPECT=1 cargo test -p o365-ecs --test fixtures` writes the expectations anew. Read the difference
//! before you commit it: the expectation is the specification by example.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::{Value, json};

mod common;

use common::{differences, is_input, read_list};

fn inputs(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.ends_with("fixtures/config") {
            // Pipeline configurations, for the host's tests.
        } else if path.is_dir() {
            inputs(&path, found);
        } else if is_input(&path) {
            found.push(path);
        }
    }
}

fn map(event: &Value) -> Value {
    let mut out = Vec::new();
    let outcome = Mapper::default().map(&Context::default(), event.to_string().as_bytes(), &mut out);
    assert_eq!(outcome, Outcome::Emit, "{event}");
    serde_json::from_slice(&out).expect("the output is JSON")
}

#[test]
fn events_become_what_is_expected() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut paths = Vec::new();
    inputs(&dir, &mut paths);
    paths.sort();
    assert!(
        paths.len() >= 10,
        "found only {} fixtures in {}",
        paths.len(),
        dir.display()
    );
    let mut report = String::new();
    for path in paths {
        let events = read_list(&path, "events");
        assert!(!events.is_empty(), "{}", path.display());
        let documents: Vec<_> = events.iter().map(map).collect();
        let expectation = path.with_extension("json-expected.json");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let text = serde_json::to_string_pretty(&json!({ "expected": documents })).expect("JSON");
            fs::write(&expectation, text + "\n").expect("a writable directory");
            continue;
        }
        let expected = read_list(&expectation, "expected");
        assert_eq!(expected.len(), events.len(), "{}", expectation.display());
        for (at, (expected, document)) in expected.iter().zip(&documents).enumerate() {
            let differences = differences(expected, document);
            if !differences.is_empty() {
                writeln!(
                    report,
                    "{} event {at}:\n  {}",
                    path.display(),
                    differences.join("\n  ")
                )
                .expect("a string takes anything");
            }
        }
    }
    assert!(
        report.is_empty(),
        "differences (UPDATE_EXPECT=1 rewrites the expectations):\n{report}"
    );
}
