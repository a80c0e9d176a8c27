//! The library and the component that the host embeds give the same bytes.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use o365_ecs::{Context, Mapper, Outcome};

use crate::support::{host, output_with_input, shared, stderr};

/// Maps every record natively and in the component (or in the one that `O365_COMPONENT` names), and compares.
async fn same_bytes(records: &[String], options: &str) {
    let mapper = Mapper::configure(options).unwrap();
    let mut native = Vec::new();
    for record in records {
        let mut document = Vec::new();
        match mapper.map(&Context::default(), record.as_bytes(), &mut document) {
            Outcome::Emit => native.push(String::from_utf8(document).unwrap()),
            Outcome::Drop => {}
            Outcome::Fail(reason) => panic!("{reason}: {record}"),
        }
    }
    let home = tempfile::tempdir().unwrap();
    let component = std::env::var("O365_COMPONENT").unwrap_or_else(|_| "builtin:ecs".to_owned());
    let mut command = host(home.path());
    let output = output_with_input(
        command.args(["transform", "--wasm", &component, "--options", options]),
        records.join("\n").into_bytes(),
    )
    .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let component: Vec<&str> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    assert_eq!(component.len(), native.len());
    for (component, native) in component.iter().zip(&native) {
        assert_eq!(component, native);
    }
}

/// The events of all fixture files below a folder, each on one line.
fn events(folder: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut events = Vec::new();
    for file in files {
        if file.ends_with("config") {
            // Configurations, not events.
        } else if file.is_dir() {
            events.extend(self::events(&file));
        } else if file.extension().is_some_and(|extension| extension == "json")
            && !file.to_string_lossy().contains("-expected")
        {
            let text = std::fs::read_to_string(&file).unwrap();
            let fixture: serde_json::Value = serde_json::from_str(&text).unwrap();
            let members = fixture["events"].as_array().into_iter().flatten();
            events.extend(members.map(ToString::to_string));
        }
    }
    events
}

const PROFILES: [&str; 3] = [
    "{}",
    r#"{"profile":"elastic-2.5","extensions":false}"#,
    r#"{"extensions":false}"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn on_every_fixture() {
    let records = events(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"));
    assert!(
        records.len() >= 20,
        "only {} fixture events were found",
        records.len()
    );
    for options in PROFILES {
        same_bytes(&records, options).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_every_golden_event() {
    let Some(golden) = shared("golden") else { return };
    let records = events(&golden);
    assert_eq!(records.len(), 236);
    for options in PROFILES {
        same_bytes(&records, options).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_every_real_event() {
    let Some(corpus) = shared("corpus/audit-real.ndjson.gz") else {
        return;
    };
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(corpus).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let records: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    assert_eq!(records.len(), 2_690);
    same_bytes(&records, "{}").await;
}
