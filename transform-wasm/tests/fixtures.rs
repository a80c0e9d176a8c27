//! Our own fixtures: every pair below `fixtures/`, with the default options.
//!
//! `UPDATE_EXPECT=1 cargo test -p o365-ecs --test fixtures` writes the expectations anew. Read the difference
//! before you commit it: the expectation is the specification by example.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use serde_json::json;

mod common;
#[path = "common/own.rs"]
mod own;

use common::{differences, read_list};
use own::map;

#[test]
fn events_become_what_is_expected() {
    let paths = own::inputs();
    assert!(paths.len() >= 80, "found only {} fixtures", paths.len());
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

/// A new name in the tables needs an event that pins it.
#[test]
fn every_record_type_with_a_name_has_a_fixture() {
    let pinned: BTreeSet<_> = own::inputs()
        .iter()
        .filter(|path| path.starts_with(own::folder().join("record-types")))
        .flat_map(|path| read_list(path, "events"))
        .filter_map(|event| event["RecordType"].as_u64())
        .collect();
    let has_name = |number: &u64| {
        let code = &map(&json!({ "RecordType": number }))["event"]["code"];
        code.as_str() != Some(&*number.to_string())
    };
    let named: BTreeSet<_> = (0..1000).filter(has_name).collect();
    assert!(named.len() > 250, "only {} names", named.len());
    let missing: Vec<_> = named.difference(&pinned).collect();
    assert!(
        missing.is_empty(),
        "no event in fixtures/record-types for {missing:?}"
    );
}
