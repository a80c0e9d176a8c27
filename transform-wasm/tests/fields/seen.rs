//! Which fields documents have.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

use crate::table::{Fields, fields};
use crate::types::misfits;

/// Our own fixtures, which every checkout has.
fn own_events() -> Vec<Value> {
    let mut found = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"),
        &mut found,
    );
    assert!(found.len() > 50, "only {} events", found.len());
    found
}

/// Events of others, which stand beside the checkout or not at all.
fn foreign_events() -> Vec<Value> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let mut found = Vec::new();
    if shared.join("golden").is_dir() {
        collect(&shared.join("golden"), &mut found);
    }
    if let Ok(corpus) = File::open(shared.join("corpus/audit-real.ndjson.gz")) {
        let mut text = String::new();
        GzDecoder::new(corpus)
            .read_to_string(&mut text)
            .expect("the corpus is compressed text");
        found.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON")),
        );
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<Value>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.to_string_lossy();
        if path.is_dir() && !path.ends_with("fixtures/config") {
            collect(&path, found);
        } else if name.ends_with(".json") && !name.ends_with("-expected.json") {
            let file: Value =
                serde_json::from_slice(&fs::read(&path).expect("a readable file")).expect("JSON");
            found.extend(file["events"].as_array().expect("events").iter().cloned());
        }
    }
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
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                leaves(&path, value, found);
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
