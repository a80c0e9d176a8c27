//! Every event of a real tenant's corpus maps, and keeps to what ECS allows.
//!
//! The corpus is not ours to copy, so it is read from beside the workspace. Where it is absent the test says so
//! on standard error and checks nothing.

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

#[path = "common/corpus.rs"]
mod corpus;

const EVENTS: usize = 2690;

const KINDS: [&str; 8] = [
    "alert",
    "asset",
    "enrichment",
    "event",
    "metric",
    "state",
    "pipeline_error",
    "signal",
];
const OUTCOMES: [&str; 3] = ["failure", "success", "unknown"];
#[rustfmt::skip]
const CATEGORIES: [&str; 20] = [
    "api", "authentication", "configuration", "database", "driver", "email", "file", "host", "iam",
    "intrusion_detection", "library", "malware", "network", "package", "process", "registry", "session", "threat",
    "vulnerability", "web",
];
#[rustfmt::skip]
const TYPES: [&str; 18] = [
    "access", "admin", "allowed", "change", "connection", "creation", "deletion", "denied", "device", "end",
    "error", "group", "indicator", "info", "installation", "protocol", "start", "user",
];

#[track_caller]
fn assert_allowed(document: &Value, pointer: &str, allowed: &[&str]) {
    let value = document.pointer(pointer).expect(pointer);
    let members = value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice);
    assert!(!members.is_empty());
    for member in members {
        assert!(
            member.as_str().is_some_and(|text| allowed.contains(&text)),
            "{pointer} is {value}"
        );
    }
}

/// Whoever did it is named, with the parts of an address if it is one.
#[track_caller]
fn assert_user(line: &str, document: &Value) {
    let record: Value = serde_json::from_str(line).expect("JSON");
    let Some(user) = record["UserId"].as_str().filter(|user| !user.is_empty()) else {
        return;
    };
    assert_eq!(document["user"]["id"], user, "{document}");
    if let Some((name, domain)) = user.split_once('@').filter(|(_, domain)| !domain.contains('@')) {
        assert_eq!(document["user"]["name"], name);
        assert_eq!(document["user"]["domain"], domain);
        assert!(!document["user"]["email"].is_null());
    }
}

#[test]
fn every_real_event_maps() {
    let Some(corpus) = corpus::text() else { return };
    for options in [
        "{}",
        r#"{ "extensions": false }"#,
        r#"{ "profile": "elastic-2.5", "extensions": false }"#,
        r#"{ "profile": "elastic-2.5" }"#,
    ] {
        let mapper = Mapper::configure(options).expect("good options");
        let mut events = 0;
        for line in corpus.lines() {
            let mut out = Vec::new();
            assert_eq!(
                mapper.map(&Context::default(), line.as_bytes(), &mut out),
                Outcome::Emit
            );
            let document: Value = serde_json::from_slice(&out).expect("the output is JSON");
            assert!(
                document["@timestamp"]
                    .as_str()
                    .is_some_and(|time| time.ends_with('Z')),
                "{document}"
            );
            assert!(
                document.pointer("/event/action").is_some_and(Value::is_string),
                "{document}"
            );
            assert!(
                document.pointer("/event/code").is_some_and(Value::is_string),
                "{document}"
            );
            assert_eq!(
                document.pointer("/event/original").and_then(Value::as_str),
                Some(line)
            );
            assert_eq!(document.pointer("/error/message"), None, "{document}");
            assert_user(line, &document);
            assert_allowed(&document, "/event/kind", &KINDS);
            assert_allowed(&document, "/event/outcome", &OUTCOMES);
            assert_allowed(&document, "/event/category", &CATEGORIES);
            assert_allowed(&document, "/event/type", &TYPES);
            events += 1;
        }
        assert_eq!(events, EVENTS);
    }
}
