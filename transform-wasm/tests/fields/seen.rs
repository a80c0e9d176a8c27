//! Which fields documents have.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

use crate::common::{is_input, read_list};
use crate::table::{Fields, below, fields};
use crate::types::misfits;
use crate::{corpus, own};

/// Our own fixtures, which every checkout has.
fn own_events() -> Vec<Value> {
    let found = events(own::inputs());
    assert!(found.len() > 50, "only {} events", found.len());
    found
}

/// Events of others, which stand beside the checkout or not at all.
fn foreign_events() -> Vec<Value> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    let golden = fs::read_dir(golden).into_iter().flatten();
    let mut found = events(
        golden
            .map(|entry| entry.expect("a readable entry").path())
            .filter(|path| is_input(path)),
    );
    let corpus = corpus::text().unwrap_or_default();
    found.extend(
        corpus
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON")),
    );
    found
}

fn events(inputs: impl IntoIterator<Item = PathBuf>) -> Vec<Value> {
    inputs
        .into_iter()
        .flat_map(|path| read_list(&path, "events"))
        .collect()
}

fn map(options: &str, event: &Value) -> Value {
    let mapper = Mapper::configure(options).expect("good options");
    let mut out = Vec::new();
    let outcome = mapper.map(&Context::default(), event.to_string().as_bytes(), &mut out);
    assert_eq!(outcome, Outcome::Emit);
    serde_json::from_slice(&out).expect("the output is JSON")
}

/// The paths of all leaves.
fn leaves(path: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                leaves(&below(path, key), value, found);
            }
        }
        Value::Array(members) if members.iter().any(Value::is_object) => {
            for member in members {
                leaves(path, member, found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

/// Of an envelope, whatever stands beside the record goes through.
fn is_bare(event: &Value) -> bool {
    event.get("o365audit").is_none()
}

#[test]
fn every_document_is_made_of_these_fields() {
    let table = Fields::read();
    let mut wrong = BTreeSet::new();
    for event in own_events()
        .iter()
        .chain(&foreign_events())
        .filter(|event| is_bare(event))
    {
        for options in ["{}", r#"{ "extensions": false }"#] {
            wrong.extend(misfits(&map(options, event), &table, options));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The record's own fields go through whatever they are; all others have an example.
#[test]
fn every_field_has_an_example_among_our_fixtures() {
    let mut seen = BTreeSet::new();
    let table = Fields::read();
    for event in own_events() {
        for options in [
            "{}",
            r#"{ "profile": "elastic-2.5", "tags": ["preserve_original_event"] }"#,
        ] {
            leaves("", &map(options, &event), &mut seen);
        }
    }
    let seen: BTreeSet<_> = seen
        .iter()
        .filter_map(|path| table.at(path))
        .map(|field| field.path)
        .collect();
    let unseen: Vec<_> = fields()
        .into_iter()
        .filter(|field| field.schema != "record" && !seen.contains(field.path))
        .map(|field| field.path)
        .collect();
    assert!(unseen.is_empty(), "no fixture has {unseen:#?}");
}
