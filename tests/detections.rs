//! What detection rules read of a user agent: an event of the fixtures through the mapping and `user_agent`.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{host, output, stderr};

const CONFIG: &str = "\
sources: { in: { type: stdin } }
transforms:
  ecs: { type: wasm, inputs: [in], module: builtin:ecs }
  agents: { type: user_agent, inputs: [ecs] }
sinks: { out: { type: blackhole, inputs: [agents] } }
";

/// The list below the one key of a fixture file.
fn read(path: &Path, key: &str) -> Vec<Value> {
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    file[key].as_array().unwrap().clone()
}

/// `fixtures/detections.toml` names this test: rules look for a client that is built with Electron.
#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_a_sign_in_is_known_by_name_version_and_system() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/detections");
    let events = read(&folder.join("token-theft.json"), "events");
    let mut documents = read(&folder.join("token-theft.json-expected.json"), "expected");
    let at = documents
        .iter()
        .position(|document| {
            let agent = document["user_agent"]["original"].as_str();
            agent.is_some_and(|agent| agent.contains("Electron/8.5.1"))
        })
        .expect("a sign-in with this client");
    let mut document = documents.swap_remove(at);
    let original = document["user_agent"]["original"].take();
    document["user_agent"] = json!({
        "original": original,
        "name": "Electron",
        "version": "8.5.1",
        "os": { "name": "Windows", "version": "10", "full": "Windows 10" },
        "device": { "name": "Other" },
    });

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| std::fs::write(dir.path().join(name), value.to_string()).unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), CONFIG).unwrap();
    write("x.json", &json!({ "events": [events[at]] }));
    write("x.json-expected.json", &json!({ "expected": [document] }));
    let mut command = host(dir.path());
    let ended = output(command.args(["test", "--config", "pipeline.yaml", "--fixtures", "x.json"])).await;
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{told}{}", stderr(&ended));
}
