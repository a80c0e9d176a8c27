//! Parity with the published fixtures of the reference mapping, version 2.5.2.
//!
//! The fixtures are not ours to copy, so they are read from beside the workspace. Where they are absent the
//! test says so on standard error and checks nothing.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::{Value, json};

mod common;

use common::{differences, is_input, read_list};

/// Events of the reference's fixtures.
const GOLDEN_EVENTS: usize = 236;

/// What other transforms of the host add: the user agent's parts (§4.5), and geography and network of the
/// source (§4.6). The one place that says what parity leaves out.
fn leave_out(document: &mut Value) {
    if let Some(agent) = document.get_mut("user_agent").and_then(Value::as_object_mut) {
        agent.retain(|key, _| key == "original");
    }
    if let Some(source) = document.get_mut("source").and_then(Value::as_object_mut) {
        source.remove("geo");
        source.remove("as");
    }
}

/// What the fixtures' common configuration merges into every event (§10).
fn with_common_input(event: &Value) -> Value {
    let mut event = event.clone();
    let object = event.as_object_mut().expect("an event is an object");
    object.insert("@timestamp".into(), json!("2020-04-28T11:07:58.223Z"));
    object.insert(
        "_conf".into(),
        json!({ "tenants": { "b86ab9d4-fcf1-4b11-8a06-7a8f91b47fbd": "mytenant.onmicrosoft.com" } }),
    );
    object.insert("tags".into(), json!(["preserve_original_event"]));
    event
}

fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden")
}

#[test]
fn the_old_profile_reproduces_the_reference() {
    let dir = golden_dir();
    if !dir.is_dir() {
        eprintln!("\n*** SKIPPED: no golden fixtures in {} ***\n", dir.display());
        return;
    }
    let mapper =
        Mapper::configure(r#"{ "profile": "elastic-2.5", "extensions": false }"#).expect("good options");
    let mut inputs: Vec<_> = fs::read_dir(&dir)
        .expect("a readable directory")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| is_input(path))
        .collect();
    inputs.sort();
    let (mut identical, mut total, mut report) = (0, 0, String::new());
    for input in &inputs {
        let events = read_list(input, "events");
        let expected = read_list(&input.with_extension("json-expected.json"), "expected");
        assert_eq!(events.len(), expected.len(), "{}", input.display());
        let mut same = 0;
        for (at, (event, expected)) in events.iter().zip(&expected).enumerate() {
            let mut out = Vec::new();
            let event = with_common_input(event).to_string();
            assert_eq!(
                mapper.map(&Context::default(), event.as_bytes(), &mut out),
                Outcome::Emit
            );
            let mut document: Value = serde_json::from_slice(&out).expect("the output is JSON");
            let mut expected = expected.clone();
            leave_out(&mut document);
            leave_out(&mut expected);
            let differences = differences(&expected, &document);
            if differences.is_empty() {
                same += 1;
            } else {
                let name = input.file_name().expect("a file").to_string_lossy();
                writeln!(report, "{name} event {at}:\n  {}", differences.join("\n  "))
                    .expect("a string takes anything");
            }
        }
        let name = input.file_name().expect("a file").to_string_lossy();
        println!("{name}: {same} of {}", events.len());
        identical += same;
        total += events.len();
    }
    assert_eq!(
        (identical, total),
        (GOLDEN_EVENTS, GOLDEN_EVENTS),
        "differences:\n{report}"
    );
}
