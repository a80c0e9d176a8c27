//! Parity with the published fixtures of the reference mapping, places, networks and user agents included: the whole
//! pipeline, as a user would configure it. `transform-wasm` has the same test of the mapping alone.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{host, lines, output_with_input, shared, stderr};

/// Events of the reference's fixtures.
const GOLDEN_EVENTS: usize = 236;

/// The input files, in order.
fn fixtures(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".json") && !name.ends_with("-expected.json")
        })
        .collect();
    found.sort();
    found
}

fn list(path: &Path, key: &str) -> Vec<Value> {
    let value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    value[key].as_array().unwrap().clone()
}

/// What the fixtures' common configuration merges into every event (specification, §10).
fn with_common_input(mut event: Value) -> Value {
    event["@timestamp"] = json!("2020-04-28T11:07:58.223Z");
    event["_conf"] =
        json!({ "tenants": { "b86ab9d4-fcf1-4b11-8a06-7a8f91b47fbd": "mytenant.onmicrosoft.com" } });
    event["tags"] = json!(["preserve_original_event"]);
    event
}

/// The rules of that time left a dot at the end of a version (§10): the one thing that is put right.
fn normalised(mut expected: Value) -> Value {
    if let Some(version) = expected.pointer_mut("/user_agent/version")
        && let Some(stripped) = version.as_str().and_then(|text| text.strip_suffix('.'))
    {
        *version = stripped.into();
    }
    expected
}

/// Integers and floats of equal value are equal (§10).
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_reproduces_the_reference() {
    let (Some(golden), Some(databases)) = (shared("golden"), shared("geoip")) else {
        return;
    };
    let (mut input, mut expected) = (String::new(), Vec::new());
    for fixture in fixtures(&golden) {
        let events = list(&fixture, "events");
        let documents = list(&fixture.with_extension("json-expected.json"), "expected");
        assert_eq!(events.len(), documents.len(), "{}", fixture.display());
        for (at, (event, document)) in events.into_iter().zip(documents).enumerate() {
            input += &with_common_input(event).to_string();
            input.push('\n');
            let name = fixture.file_name().unwrap().to_string_lossy().into_owned();
            expected.push((format!("{name} event {at}"), normalised(document)));
        }
    }
    let home = tempfile::tempdir().unwrap();
    let config = json!({
        "sources": { "in": { "type": "stdin" } },
        "transforms": {
            "ecs": {
                "type": "wasm", "inputs": ["in"], "module": "builtin:ecs",
                "options": { "profile": "elastic-2.5", "extensions": false },
            },
            "geo": {
                "type": "geoip", "inputs": ["ecs"],
                "database": databases.join("GeoLite2-City-Test.mmdb"),
                "asn_database": databases.join("GeoLite2-ASN-Test.mmdb"),
            },
            "agent": { "type": "user_agent", "inputs": ["geo"] },
        },
        "sinks": { "out": { "type": "console", "inputs": ["agent"] } },
    });
    std::fs::write(home.path().join("pipeline.json"), config.to_string()).unwrap();
    let mut command = host(home.path());
    let output = output_with_input(
        command.args(["transform", "--config", "pipeline.json"]),
        input.into_bytes(),
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let documents = lines(&output.stdout);
    assert_eq!((documents.len(), expected.len()), (GOLDEN_EVENTS, GOLDEN_EVENTS));
    let has = |pointer: &str| {
        expected
            .iter()
            .any(|(_, document)| document.pointer(pointer).is_some())
    };
    assert!(has("/source/geo/city_name") && has("/source/as/number") && has("/user_agent/os/full"));
    let different: Vec<_> = documents
        .iter()
        .zip(&expected)
        .filter(|(document, (_, expected))| !same(document, expected))
        .map(|(document, (name, expected))| format!("{name}:\n  expected {expected}\n  found    {document}"))
        .collect();
    assert!(
        different.is_empty(),
        "{} of {GOLDEN_EVENTS} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
