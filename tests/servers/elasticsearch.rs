//! The `elasticsearch` sink against a real OpenSearch: template, bulk requests with items of every kind, crashes.
//! `O365_OPENSEARCH=opensearch3` takes that one, which needs a newer Java.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{Server, survive};
use crate::{
    numbered::{Tally, events, program},
    proxy::Proxy,
    support::{host, lines, output, output_with_input, shared, stderr},
};

async fn start(settings: &str) -> Option<Server> {
    let three = std::env::var_os("O365_OPENSEARCH").is_some_and(|name| name == "opensearch3");
    let name = if three { "opensearch3" } else { "opensearch" };
    Server::start(name, settings, &[]).await
}

/// Asks the server itself.
async fn ask(server: &Server, path: &str, body: Value) -> Value {
    let url = format!("http://{}/{path}", server.address(0));
    let request = reqwest::Client::new().post(url).json(&body);
    let answer = request.send().await.unwrap().error_for_status().unwrap();
    answer.json().await.unwrap()
}

/// Every document of a data stream.
async fn documents(server: &Server, stream: &str, mut each: impl FnMut(&Value)) {
    ask(server, &format!("{stream}/_refresh"), json!({})).await;
    let search = format!("{stream}/_search?scroll=1m");
    let mut page = ask(server, &search, json!({ "size": 5_000, "sort": ["_doc"] })).await;
    while let Some(hits) = page["hits"]["hits"].as_array().filter(|hits| !hits.is_empty()) {
        for hit in hits {
            each(&hit["_source"]);
        }
        let next = json!({ "scroll": "1m", "scroll_id": page["_scroll_id"] });
        page = ask(server, "_search/scroll", next).await;
    }
}

async fn setup(dir: &Path) -> String {
    let setup = output(host(dir).args(["setup", "elasticsearch", "--config", "pipeline.yaml"])).await;
    assert_eq!(setup.status.code(), Some(0), "{}", stderr(&setup));
    String::from_utf8_lossy(&setup.stdout).into_owned() + &stderr(&setup)
}

/// Sends documents, and returns why some became dead letters, by event id.
async fn send(dir: &Path, sink: &str, documents: &[Value]) -> BTreeMap<String, String> {
    let dead = dir.join("data/dead-letters");
    let _ = std::fs::remove_dir_all(&dead);
    let mut command = program(dir, sink);
    let input: String = documents.iter().map(|document| format!("{document}\n")).collect();
    let run = output_with_input(&mut command, input.into_bytes()).await;
    let log = std::fs::read_to_string(dir.join("log")).unwrap();
    assert_eq!(run.status.code(), Some(0), "{log}");
    let mut refused = BTreeMap::new();
    for file in std::fs::read_dir(dead).into_iter().flatten() {
        for letter in lines(&std::fs::read(file.unwrap().path()).unwrap()) {
            let event: Value = serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
            let id = event["event"]["id"].as_str().unwrap_or_default().to_owned();
            refused.insert(id, letter["reason"].as_str().unwrap().to_owned());
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_ends_where_it_belongs() {
    // A request above a megabyte is refused as a whole; three writes at a time wait, a fourth is refused.
    let settings = "http.max_content_length=1mb\nthread_pool.write.size=1\nthread_pool.write.queue_size=1";
    let Some(server) = start(settings).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let sink = format!(
        "type: elasticsearch, endpoints: \"http://{}\", batch: {{ max_bytes: 900KiB, max_events: 5, timeout: 10ms }}, \
         request: {{ retry_initial_backoff: 20ms, retry_max_duration: 200ms, concurrency: 8 }}",
        server.address(0)
    );
    drop(program(dir.path(), &sink));
    assert!(setup(dir.path()).await.contains("installed"));
    assert!(setup(dir.path()).await.contains("unchanged"));
    let event = |id: &str| json!({ "@timestamp": "2026-11-01T00:00:00Z", "event": { "id": id } });
    let mut documents: Vec<Value> = (0..200).map(|number| event(&format!("good-{number}"))).collect();
    documents.insert(7, event("good-3"));
    let mut conflict = event("conflict");
    conflict["user"] = json!("a text where the template has an object");
    documents.insert(11, conflict);
    let mut huge = event("huge");
    huge["message"] = json!("x".repeat(1_200_000));
    documents.insert(13, huge);
    let refused = send(dir.path(), &sink, &documents).await;
    let refused: Vec<_> = refused.iter().collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    let [(conflict, why_conflict), (huge, why_huge)] = refused[..] else {
        unreachable!()
    };
    assert_eq!((conflict.as_str(), huge.as_str()), ("conflict", "huge"));
    assert!(
        why_conflict.contains("400") && why_conflict.contains("[user]"),
        "{why_conflict}"
    );
    assert!(why_huge.contains("413"), "{why_huge}");
    // Once more: each is there.
    let again = send(dir.path(), &sink, &documents).await;
    assert_eq!(again.len(), 2);
    let mut there = Vec::new();
    self::documents(&server, "logs-o365.audit-default", |document| {
        there.push(document["event"]["id"].as_str().unwrap().to_owned());
    })
    .await;
    there.sort();
    let mut expected: Vec<_> = (0..200).map(|number| format!("good-{number}")).collect();
    expected.sort();
    assert_eq!(there, expected);
}

fn sorted(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The documents of `*-expected.json` below a folder, in all the forms that such files have.
fn expected_documents(dir: &Path, documents: &mut Vec<Value>) {
    for path in sorted(dir) {
        if path.is_dir() {
            expected_documents(&path, documents);
        } else if path.to_string_lossy().ends_with("-expected.json") {
            let text = std::fs::read_to_string(path).unwrap();
            match serde_json::from_str(&text).unwrap() {
                Value::Array(list) => documents.extend(list),
                Value::Object(mut object) if object.contains_key("expected") => {
                    documents.append(object["expected"].as_array_mut().unwrap());
                }
                other => documents.push(other),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_template_takes_what_the_mapping_makes() {
    let Some(server) = start("").await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let (mut ordinary, mut odd, mut golden) = (Vec::new(), Vec::new(), Vec::new());
    for path in sorted(&fixtures) {
        // Records of the same kind that contradict each other, on purpose.
        if path.ends_with("anomalies") {
            expected_documents(&path, &mut odd);
        } else if path.is_dir() {
            expected_documents(&path, &mut ordinary);
        }
    }
    if let Some(folder) = shared("golden") {
        expected_documents(&folder, &mut golden);
    }
    assert!(ordinary.len() > 500 && odd.len() > 100);
    let refused = async |namespace: &str, mut documents: Vec<Value>| {
        documents.retain(Value::is_object);
        for document in &mut documents {
            document["data_stream"] =
                json!({ "type": "logs", "dataset": "o365.audit", "namespace": namespace });
        }
        let sink = format!(
            "type: elasticsearch, endpoints: \"http://{}\", id_key: null, request: {{ concurrency: 1 }}",
            server.address(0)
        );
        drop(program(dir.path(), &sink));
        setup(dir.path()).await;
        let refused = send(dir.path(), &sink, &documents).await;
        eprintln!("{namespace}: {} of {} refused", refused.len(), documents.len());
        refused.into_values().collect::<Vec<_>>()
    };
    assert_eq!(refused("golden", golden).await, Vec::<String>::new());
    // A text where other records of the kind have an object. No type of field takes both.
    let ordinary = refused("ordinary", ordinary).await;
    assert_eq!(ordinary.len(), 1, "{ordinary:#?}");
    assert!(
        ordinary[0].contains("o365.audit.CopilotEventData"),
        "{ordinary:?}"
    );
    for reason in refused("odd", odd).await {
        assert!(reason.starts_with("the server answers 400: "), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_it_crashes_and_connections_are_cut() {
    let Some(server) = start("").await else {
        return;
    };
    let events = events(50_000);
    let proxy = Proxy::to(server.address(0)).await;
    let dir = tempfile::tempdir().unwrap();
    let sink = format!(
        "type: elasticsearch, endpoints: \"http://{}\", batch: {{ timeout: 50ms }}, \
         request: {{ retry_initial_backoff: 50ms, retry_max_duration: 1s }}",
        proxy.address()
    );
    let mut child = program(dir.path(), &sink).spawn().unwrap();
    setup(dir.path()).await;
    let took = survive(&server, &proxy, &mut child, events).await;
    let mut tally = Tally::default();
    documents(&server, "logs-o365.audit-default", |document| {
        tally.add_id(document["event"]["id"].as_str().unwrap());
    })
    .await;
    let (lost, extra) = (tally.lost(events), tally.extra());
    eprintln!("{events} events in {took:.0?}: {lost} lost, {extra} extra");
    assert_eq!((lost, extra), (0, 0));
}
