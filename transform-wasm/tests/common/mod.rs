//! Fixtures in the form of elastic-package, and the comparison of documents.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The list below the one key of a fixture file.
#[track_caller]
pub(crate) fn read_list(path: &Path, key: &str) -> Vec<Value> {
    let text = fs::read(path).expect("a readable fixture");
    let value: Value = serde_json::from_slice(&text).expect("a fixture is JSON");
    value[key].as_array().expect("a fixture holds a list").clone()
}

/// Whether a file holds events, as opposed to expectations or something else.
pub(crate) fn is_input(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".json") && !name.ends_with("-expected.json")
}

/// Where two documents differ, one line a path. The order of lists matters, that of keys does not.
pub(crate) fn differences(expected: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, actual, &mut found);
    found
}

fn compare(path: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                let path = format!("{path}.{key}");
                match actual.get(key) {
                    Some(actual) => compare(&path, value, actual, found),
                    None => found.push(format!("{path}: missing, expected {value}")),
                }
            }
            for (key, value) in actual {
                if !expected.contains_key(key) {
                    found.push(format!("{path}.{key}: unexpected {value}"));
                }
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if expected == actual => {}
        _ => found.push(format!("{path}: expected {expected}, got {actual}")),
    }
}
