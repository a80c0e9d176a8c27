//! Parity with the published fixtures of the reference mapping, places, networks and user agents included: the whole
//! pipeline, as a user would configure it. `transform-wasm` has the same test of the mapping alone.

use std::collections::BTreeMap;

use o365_host::fixtures::{diff::differences, suite::find};
use serde_json::{Value, json};

use crate::support::{host, lines, output_with_input, shared, stderr};

/// Events of the reference's fixtures.
const GOLDEN_EVENTS: usize = 236;

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

#[tokio::test(flavor = "multi_thread")]
async fn the_pipeline_reproduces_the_reference() {
    let (Some(golden), Some(databases)) = (shared("golden"), shared("geoip")) else {
        return;
    };
    let (mut input, mut expected) = (String::new(), Vec::new());
    for fixture in find(&golden, None).unwrap() {
        let name = fixture.path.file_name().unwrap().to_string_lossy().into_owned();
        let documents = fixture.expected.expect("every fixture has its documents");
        for (at, (event, document)) in fixture.events.into_iter().zip(documents).enumerate() {
            input += &with_common_input(event).to_string();
            input.push('\n');
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
        .filter_map(|(document, (name, expected))| {
            let differences = differences(expected, document, &BTreeMap::new());
            (!differences.is_empty()).then(|| format!("{name}: {differences:?}"))
        })
        .collect();
    assert!(
        different.is_empty(),
        "{} of {GOLDEN_EVENTS} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}
