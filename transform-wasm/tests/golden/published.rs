//! The published fixtures, and what a comparison with them leaves out.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{is_input, read_list};

/// An event and the document that the reference made of it.
pub(crate) struct Published {
    /// The file that it is from.
    pub(crate) file: String,
    /// What the mapping gets.
    pub(crate) event: Value,
    /// What the reference made of it, without what [`leave_out`] leaves out.
    pub(crate) document: Value,
}

/// All of them, in the order of the files; nothing if they are not there.
pub(crate) fn fixtures() -> Option<Vec<Published>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    if !dir.is_dir() {
        eprintln!("\n*** SKIPPED: no golden fixtures in {} ***\n", dir.display());
        return None;
    }
    let mut inputs: Vec<_> = fs::read_dir(&dir)
        .expect("a readable directory")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| is_input(path))
        .collect();
    inputs.sort();
    let mut found = Vec::new();
    for input in inputs {
        let events = read_list(&input, "events");
        let expected = read_list(&input.with_extension("json-expected.json"), "expected");
        assert_eq!(events.len(), expected.len(), "{}", input.display());
        let file = input.file_name().expect("a file").to_string_lossy().into_owned();
        for (event, mut document) in events.into_iter().zip(expected) {
            leave_out(&mut document);
            found.push(Published {
                file: file.clone(),
                event: with_common_input(event),
                document,
            });
        }
    }
    Some(found)
}

/// What other transforms of the host add: the user agent's parts (§4.5), and geography and network of the
/// source (§4.6). The one place that says what parity leaves out.
pub(crate) fn leave_out(document: &mut Value) {
    if let Some(agent) = document.get_mut("user_agent").and_then(Value::as_object_mut) {
        agent.retain(|key, _| key == "original");
    }
    if let Some(source) = document.get_mut("source").and_then(Value::as_object_mut) {
        source.remove("geo");
        source.remove("as");
    }
}

/// What the fixtures' common configuration merges into every event (§10).
fn with_common_input(mut event: Value) -> Value {
    let object = event.as_object_mut().expect("an event is an object");
    object.insert("@timestamp".into(), json!("2020-04-28T11:07:58.223Z"));
    object.insert(
        "_conf".into(),
        json!({ "tenants": { "b86ab9d4-fcf1-4b11-8a06-7a8f91b47fbd": "mytenant.onmicrosoft.com" } }),
    );
    object.insert("tags".into(), json!(["preserve_original_event"]));
    event
}

/// What a mapper makes of an event, without what [`leave_out`] leaves out.
pub(crate) fn map(mapper: &o365_ecs::Mapper, event: &Value) -> Value {
    let mut out = Vec::new();
    let outcome = mapper.map(
        &o365_ecs::Context::default(),
        event.to_string().as_bytes(),
        &mut out,
    );
    assert_eq!(outcome, o365_ecs::Outcome::Emit);
    let mut document = serde_json::from_slice(&out).expect("the output is JSON");
    leave_out(&mut document);
    document
}
