//! Components in three languages map the same, and take over from each other while events flow.

use std::{collections::BTreeMap, path::Path, sync::Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{
    javascript,
    project::{PATIENCE, Project, skip},
    python, rust,
};
use crate::{
    local_api::{listening, request},
    support::{host, lines, output_with_input, stderr, wait_for},
};

/// Every event of this repository's fixtures, and some that nobody should have sent, one a line.
fn events() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut events = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.with_file_name(format!("{name}-expected.json")).exists() {
                let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                let found = fixture["events"].as_array().into_iter().flatten();
                events.extend(found.map(Value::to_string));
            }
        }
    }
    events.sort();
    assert!(events.len() > 100, "only {} events", events.len());
    events.extend(
        [
            "nonsense",
            "[1]",
            "{}",
            r#"{"CreationTime": 1}"#,
            r#"{"CreationTime":"2026-01-15T10:00:00Z","Operation":"MailboxLogin"}"#,
            r#"{"CreationTime":"2026-01-15T10:00:00Z","UserId":"Zoë 🦀","ClientIP":"[2001:DB8:0:0::1]:443"}"#,
            r#"{"CreationTime":"2026-01-15T10:00:00","ClientIP":"203.0.113.7:51234","ResultStatus":"False"}"#,
            r#"{"CreationTime":"2026-01-15T10:00:00","ClientIP":"nowhere:1"}"#,
        ]
        .map(str::to_owned),
    );
    events
}

/// What the component makes of the events, and how many it cannot map. Compiled code is kept in `home`.
async fn mapped(home: &Path, project: &Project, events: &[String]) -> (Vec<Value>, usize) {
    let mut command = host(&project.dir);
    command.env("HOME", home);
    command.args([
        "transform",
        "--wasm",
        "my-mapping.wasm",
        "--failed",
        "failed.ndjson",
    ]);
    let options = r#"{"drop": ["MailboxLogin"], "tags": ["x"]}"#;
    let ended = output_with_input(
        command.args(["--options", options]),
        (events.join("\n") + "\n").into(),
    )
    .await;
    assert!(matches!(ended.status.code(), Some(0 | 1)), "{}", stderr(&ended));
    let failed = std::fs::read_to_string(project.dir.join("failed.ndjson")).unwrap_or_default();
    (lines(&ended.stdout), failed.lines().count())
}

const CONFIG: &str = "
api: { enabled: true, address: \"127.0.0.1:0\" }
sources: { in: { type: stdin } }
transforms:
  mine: { type: wasm, inputs: [in], module: running.wasm, canary: fixtures, options: { drop: [MailboxLogin], tags: [my-mapping] } }
sinks: { out: { type: console, inputs: [mine], encoding: { codec: json } } }
";

fn put(dir: &Path, component: &Path) {
    std::fs::copy(component, dir.join("running.new")).unwrap();
    std::fs::rename(dir.join("running.new"), dir.join("running.wasm")).unwrap();
}

/// Each takes over from the one before while numbered events flow: each event comes out once, in order.
async fn take_over_from_each_other(projects: &[(&str, Project)]) {
    let dir = &projects[0].1.dir;
    // The folder where `transform` has kept the code that it compiled.
    let config = format!("data_dir: .cache/o365-host\n{CONFIG}");
    std::fs::write(dir.join("run.yaml"), config).unwrap();
    put(dir, &projects[0].1.component());
    let mut command = host(dir);
    command
        .args(["run", "--config", "run.yaml", "--log-format", "json"])
        .stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let api = tokio::time::timeout(PATIENCE, listening(&mut child))
        .await
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();

    let (fed, seen, done) = (Mutex::new(0_usize), Mutex::new(0_usize), Mutex::new(false));
    let now = |count: &Mutex<usize>| *count.lock().unwrap();
    let feed = async {
        while !*done.lock().unwrap() {
            // Not too far ahead: an event must be mapped by the component of its time.
            wait_for(
                || now(&fed) < now(&seen) + 500,
                || "no event comes out".to_owned(),
            )
            .await;
            let number = now(&fed);
            let event = format!("{{\"CreationTime\":\"2026-01-15T10:00:00\",\"Id\":\"{number}\"}}\n");
            stdin.write_all(event.as_bytes()).await.unwrap();
            *fed.lock().unwrap() += 1;
        }
        drop(stdin);
    };
    let read = async {
        while let Some(line) = stdout.next_line().await.unwrap() {
            let document: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(document["event"]["id"], now(&seen).to_string(), "{line}");
            assert_eq!(document["tags"][0], "my-mapping");
            *seen.lock().unwrap() += 1;
        }
    };
    let swap = async {
        let flowing = async || {
            let from = now(&seen);
            wait_for(|| now(&seen) > from + 1_000, || "no event comes out".to_owned()).await;
        };
        flowing().await;
        for (language, project) in projects[1..].iter().chain(&projects[..1]) {
            put(dir, &project.component());
            let reload = request(api, "POST", "/api/transforms/mine/reload", "");
            let (status, _, body) = tokio::time::timeout(PATIENCE, reload).await.unwrap();
            let answer: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &answer["result"]), (200, &"swapped".into()), "{answer}");
            eprintln!("{language} has taken over after {} s", answer["seconds"]);
            flowing().await;
        }
        *done.lock().unwrap() = true;
    };
    tokio::join!(feed, read, swap);
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(now(&seen), now(&fed));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads toolchains and compiles 30 MB of WebAssembly several times; .ci/run does it"]
async fn components_of_three_languages_map_the_same_and_take_over_from_each_other() {
    let events = events();
    let mut projects = Vec::new();
    for (language, made) in [
        ("Rust", rust::make().await),
        ("JavaScript", javascript::make().await),
        ("Python", python::make().await),
    ] {
        match made {
            Ok(project) => projects.push((language, project)),
            Err(reason) => return skip(&reason),
        }
    }
    let mut all = BTreeMap::new();
    for (language, project) in &projects {
        all.insert(*language, mapped(&projects[0].1.dir, project, &events).await);
    }
    let (expected, failed) = all["Rust"].clone();
    assert!(
        failed >= 4 && expected.len() > 100,
        "{failed}, {}",
        expected.len()
    );
    for (language, (documents, failures)) in all {
        assert_eq!(
            (documents.len(), failures),
            (expected.len(), failed),
            "{language}"
        );
        for (document, expected) in documents.iter().zip(&expected) {
            assert_eq!(document, expected, "{language}");
        }
    }
    take_over_from_each_other(&projects).await;
}
