//! `test` with fixtures in the form of elastic-package, through the transforms of a configuration.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{host, output, stderr};

const CONFIG: &str = "\
sources: { in: { type: stdin } }
transforms:
  ecs: { type: wasm, inputs: [in], module: builtin:ecs }
sinks: { out: { type: blackhole, inputs: [ecs] } }
";

/// A folder with a configuration.
pub(crate) fn lab(config: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), config).unwrap();
    dir
}

/// The exit code, and what was said on standard output and error.
pub(crate) async fn test(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = host(dir);
    command
        .args(["test", "--config", "pipeline.yaml"])
        .args(arguments);
    let ended = output(&mut command).await;
    let told = String::from_utf8(ended.stdout.clone()).unwrap();
    (ended.status.code(), told, stderr(&ended))
}

/// The folders of the project's fixtures that hold events.
fn folders() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let entries = std::fs::read_dir(fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_dir() && !path.ends_with("config"))
        .collect()
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

/// What the mapping promises holds in the host too, and a user sees it as we do.
#[tokio::test(flavor = "multi_thread")]
async fn the_projects_own_fixtures_are_as_expected() {
    let dir = lab(CONFIG);
    let mut arguments = Vec::new();
    for folder in folders() {
        arguments.extend(["--fixtures".to_owned(), folder.to_str().unwrap().to_owned()]);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (code, told, log) = test(dir.path(), &arguments).await;
    assert_eq!(code, Some(0), "{told}{log}");
    let last = told.lines().last().unwrap();
    assert!(last.ends_with(", 0 not"), "{last}");
    assert!(told.lines().count() > 10, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_shown_with_its_field_and_fails() {
    let dir = lab(CONFIG);
    let record = |id: &str| json!({"Id": id, "CreationTime": "2026-03-03T11:17:23", "Operation": "FileAccessed", "RecordType": 6});
    write(
        &dir.path().join("x.json"),
        &json!({"events": [record("a"), record("b")]}),
    );
    let (code, told, _) = test(dir.path(), &["--fixtures", "."]).await;
    assert_eq!(code, Some(1));
    assert!(told.contains("x.json-expected.json is not there"), "{told}");

    let (code, _, log) = test(dir.path(), &["--fixtures", ".", "--update"]).await;
    assert_eq!(code, Some(0), "{log}");
    let path = dir.path().join("x.json-expected.json");
    let mut expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(expected["expected"][1]["event"]["id"], "b");
    let (code, told, _) = test(dir.path(), &["--fixtures", "."]).await;
    assert_eq!(code, Some(0), "{told}");

    expected["expected"][1]["event"]["code"] = json!("Other & <worse>");
    write(&path, &expected);
    let (code, told, _) = test(dir.path(), &["--fixtures", ".", "--junit", "junit.xml"]).await;
    assert_eq!(code, Some(1));
    for part in [
        "FAILED  ./x.json  1 of 2 event(s)",
        "  event 2",
        "    event.code",
        r#"- "Other & <worse>""#,
        r#"+ "SharePointFileOperation""#,
        "2 event(s) in 1 file(s): 1 as expected, 1 not",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    assert!(!told.contains("event 1"), "{told}");
    let junit = std::fs::read_to_string(dir.path().join("junit.xml")).unwrap();
    assert!(
        junit.contains(r#"tests="2""#) && junit.contains(r#"failures="1""#),
        "{junit}"
    );
    assert!(junit.contains("Other &amp; &lt;worse&gt;"), "{junit}");

    let (code, _, log) = test(dir.path(), &["--fixtures", ".", "--filter", "no such file"]).await;
    assert_eq!(code, Some(2), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_or_fails_is_told_apart() {
    let dir = lab("\
sources: { in: { type: stdin } }
transforms:
  odd:
    type: remap
    inputs: [in]
    drop_on_error: true
    drop_on_abort: true
    source: |
      if .drop == true { abort }
      .n = to_int!(.n)
sinks: { out: { type: blackhole, inputs: [odd] } }
");
    write(
        &dir.path().join("x.json"),
        &json!({"events": [{"drop": true}, {"n": "7"}, {"n": "seven"}]}),
    );
    write(
        &dir.path().join("x.json-expected.json"),
        &json!({"expected": [null, {"n": 7}, {"n": 7}]}),
    );
    let (code, told, log) = test(dir.path(), &["--fixtures", "x.json"]).await;
    assert_eq!(code, Some(1), "{told}{log}");
    assert!(told.contains("1 of 3 event(s)"), "{told}");
    assert!(
        told.contains("  event 3\n    it failed in `odd`:") && told.contains("seven"),
        "{told}"
    );
    let before = std::fs::read(dir.path().join("x.json-expected.json")).unwrap();
    let (code, _, log) = test(dir.path(), &["--fixtures", ".", "--update"]).await;
    assert_eq!(code, Some(1));
    assert!(log.contains("x.json event 3: it failed in `odd`"), "{log}");
    assert_eq!(
        std::fs::read(dir.path().join("x.json-expected.json")).unwrap(),
        before
    );
}
