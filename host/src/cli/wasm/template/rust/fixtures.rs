//! The fixtures through the mapping, natively. `o365-host test` runs the same ones through the component.

use std::{fs, path::Path};

use serde_json::Value;

use {{crate}}::{Mapper, Outcome};

/// As in pipeline.yaml.
const OPTIONS: &str = r#"{"drop": ["MailboxLogin"], "tags": ["{{name}}"]}"#;

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_fixture_becomes_what_is_expected() {
    let mapper = Mapper::configure(OPTIONS).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name.ends_with("-expected.json") {
            continue;
        }
        let events = read(&path)["events"].as_array().unwrap().clone();
        let expected = read(&path.with_file_name(format!("{name}-expected.json")));
        let got: Vec<Value> = events
            .iter()
            .map(|event| match mapper.map(event.to_string().as_bytes()) {
                Outcome::Emit(document) => serde_json::from_slice(&document).unwrap(),
                Outcome::Drop => Value::Null,
                Outcome::Fail(reason) => panic!("{name}: {reason}"),
            })
            .collect();
        assert_eq!(Value::from(got), expected["expected"], "{name}");
        found += events.len();
    }
    assert!(found > 0, "no fixture was found");
}
