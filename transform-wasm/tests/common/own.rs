//! The project's own fixtures: where they are, and their events through the mapping with its default options.

use std::fs;
use std::path::{Path, PathBuf};

use o365_ecs::{Context, Mapper, Outcome};
use serde_json::Value;

use crate::common::is_input;

/// The folder of the fixtures.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// Every file of events, in the order of their names.
pub(crate) fn inputs() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&folder(), &mut found);
    found.sort();
    found
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.ends_with("fixtures/config") {
            // Pipeline configurations, for the host's tests.
        } else if path.is_dir() {
            collect(&path, found);
        } else if is_input(&path) {
            found.push(path);
        }
    }
}

/// The document of an event.
#[track_caller]
pub(crate) fn map(event: &Value) -> Value {
    let mut out = Vec::new();
    let outcome = Mapper::default().map(&Context::default(), event.to_string().as_bytes(), &mut out);
    assert_eq!(outcome, Outcome::Emit, "{event}");
    serde_json::from_slice(&out).expect("the output is JSON")
}
