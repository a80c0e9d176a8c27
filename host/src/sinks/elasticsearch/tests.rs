//! Against a server of our own that is as strict as the real ones, and says what it is told to say. `tests/servers` has the real one.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use o365_core::{
    EventStatus, SystemClock,
    config::{ComponentContext, Services, SinkConfig},
    testing::{Refused, sink_contract, tracked_batch},
};
use serde_json::{Value, json};

use super::*;
use crate::sinks::delivery::Remote;

/// What is said to one item: its status, and why.
type Item = dyn Fn(usize, &Value) -> (u16, &'static str) + Send + Sync;

/// One request: its actions, each with its document.
type Request = (Uri, HeaderMap, Vec<(Value, Value)>);

/// What came, and what is answered.
struct Server {
    item: Box<Item>,
    /// For whole requests, the first ones.
    whole: Mutex<Vec<u16>>,
    requests: Mutex<Vec<Request>>,
    templates: Mutex<BTreeMap<String, Value>>,
    distribution: &'static str,
}

struct Running {
    server: Arc<Server>,
    address: String,
    _guard: tokio::task::JoinSet<()>,
}

async fn serve(item: impl Fn(usize, &Value) -> (u16, &'static str) + Send + Sync + 'static) -> Running {
    start(item, Vec::new(), "elasticsearch").await
}

async fn start(
    item: impl Fn(usize, &Value) -> (u16, &'static str) + Send + Sync + 'static,
    whole: Vec<u16>,
    distribution: &'static str,
) -> Running {
    let server = Arc::new(Server {
        item: Box::new(item),
        whole: Mutex::new(whole),
        requests: Mutex::default(),
        templates: Mutex::default(),
        distribution,
    });
    let router = Router::new().fallback(answer).with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut guard = tokio::task::JoinSet::new();
    guard.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Running {
        server,
        address,
        _guard: guard,
    }
}

async fn answer(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match (method.as_str(), uri.path()) {
        ("GET", "/") => {
            let version = json!({ "number": "9.1.0", "distribution": server.distribution });
            Json(json!({ "version": version })).into_response()
        }
        ("POST", "/_bulk") => bulk(&server, uri, headers, &body),
        (method, path) if path.starts_with("/_index_template/") => {
            let name = path.trim_start_matches("/_index_template/").to_owned();
            let mut templates = server.templates.lock().unwrap();
            if method == "PUT" {
                assert_eq!(headers["content-type"], "application/json");
                templates.insert(name, serde_json::from_slice(&body).unwrap());
                return Json(json!({ "acknowledged": true })).into_response();
            }
            match templates.get(&name) {
                Some(body) => {
                    let template = json!({ "name": name, "index_template": body });
                    Json(json!({ "index_templates": [template] })).into_response()
                }
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
        other => panic!("unexpected {other:?}"),
    }
}

/// As strict as the protocol: a mistake is a panic, that is, a connection that ends.
fn bulk(server: &Server, uri: Uri, headers: HeaderMap, body: &[u8]) -> Response {
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let mut text = String::new();
    if headers
        .get("content-encoding")
        .is_some_and(|value| value == "gzip")
    {
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(body), &mut text).unwrap();
    } else {
        text = String::from_utf8(body.to_vec()).unwrap();
    }
    let lines: Vec<_> = text
        .strip_suffix('\n')
        .expect("a line feed at the end")
        .split('\n')
        .collect();
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() % 2, 0, "an action without a document");
    let pairs: Vec<_> = lines
        .chunks(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    let mut ids = HashSet::new();
    let number = {
        let mut requests = server.requests.lock().unwrap();
        requests.push((uri, headers, pairs.clone()));
        requests.len()
    };
    let mut whole = server.whole.lock().unwrap();
    if !whole.is_empty() {
        let status = StatusCode::from_u16(whole.remove(0)).unwrap();
        return (status, "for all").into_response();
    }
    let items: Vec<_> = pairs
        .iter()
        .map(|(action, document)| {
            let at = &action["create"];
            assert!(at["_index"].is_string(), "{action}");
            if let Some(id) = at["_id"].as_str() {
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
            }
            let (status, kind) = (server.item)(number, document);
            let error = json!({ "type": kind, "reason": "so", "caused_by": { "reason": "because" } });
            if status < 300 {
                json!({ "create": { "status": status } })
            } else {
                json!({ "create": { "status": status, "error": error } })
            }
        })
        .collect();
    Json(json!({ "errors": true, "items": items })).into_response()
}

fn cx() -> ComponentContext {
    ComponentContext {
        key: "out".into(),
        data_dir: ".".into(),
        config_dir: ".".into(),
        clock: Arc::new(SystemClock),
        services: Services::default(),
    }
}

fn config(endpoints: &Value, more: Value) -> Remote<ElasticsearchConfig> {
    let mut options: BTreeMap<String, Value> = serde_json::from_value(more).unwrap();
    options.insert("endpoints".to_owned(), endpoints.clone());
    options.entry("request".to_owned()).or_insert_with(
        || json!({"retry_initial_backoff": "1ms", "retry_max_duration": "2ms", "concurrency": 1}),
    );
    serde_json::from_value(json!(options)).unwrap()
}

fn event(id: &str) -> Bytes {
    json!({ "@timestamp": "2026-01-01T00:00:00Z", "event": { "id": id } })
        .to_string()
        .into()
}

async fn run(
    config: &Remote<ElasticsearchConfig>,
    documents: Vec<Bytes>,
) -> (EventStatus, Vec<(Bytes, Failure)>) {
    let sink = config.build(&cx()).await.unwrap();
    let (batch, status) = tracked_batch(documents);
    let refused = Refused::default();
    sink.run(stream::iter([batch]).boxed(), refused.events())
        .await
        .unwrap();
    (status.status().await, refused.kept())
}

fn ids(requests: &[Request]) -> Vec<String> {
    let ids = |pairs: &[(Value, Value)]| {
        let ids: Vec<_> = pairs
            .iter()
            .map(|(_, document)| document["event"]["id"].as_str().unwrap().to_owned())
            .collect();
        ids.join(" ")
    };
    requests.iter().map(|(.., pairs)| ids(pairs)).collect()
}

#[tokio::test]
async fn keeps_the_contract_of_sinks() {
    let running = serve(|_, _| (201, "")).await;
    let config = config(&json!(running.address), json!({}));
    let mut sinks = Vec::new();
    for _ in 0..2 {
        sinks.push(config.build(&cx()).await.unwrap());
    }
    let documents = (0..10).map(|number| event(&number.to_string())).collect();
    sink_contract(|| sinks.pop().unwrap(), documents).await;
}

#[tokio::test]
async fn each_item_of_a_bulk_ends_where_it_belongs() {
    let running = serve(
        |number, document| match document["event"]["id"].as_str().unwrap() {
            "there" => (409, "version_conflict_engine_exception"),
            "conflict" => (400, "document_parsing_exception"),
            "huge" => (413, "too_large"),
            "busy" if number < 3 => (429, "es_rejected_execution_exception"),
            "broken" if number < 2 => (503, "unavailable_shards_exception"),
            "blocked" if number < 4 => (403, "cluster_block_exception"),
            "missing" if number < 4 => (404, "index_not_found_exception"),
            "login" if number < 2 => (401, "security_exception"),
            _ => (201, ""),
        },
    )
    .await;
    let names = [
        "good", "there", "conflict", "huge", "busy", "broken", "blocked", "missing", "login",
    ];
    let documents = names.iter().map(|id| event(id)).collect();
    let (status, refused) = run(&config(&json!([running.address]), json!({})), documents).await;
    assert_eq!(status, EventStatus::Rejected);
    let refused: Vec<_> = refused
        .iter()
        .map(|(document, failure)| {
            let document: Value = serde_json::from_slice(document).unwrap();
            format!(
                "{}: {}",
                document["event"]["id"].as_str().unwrap(),
                failure.reason
            )
        })
        .collect();
    assert_eq!(
        refused,
        [
            "conflict: the server answers 400: document_parsing_exception: so: because",
            "huge: the server answers 413: too_large: so: because",
        ]
    );
    assert_eq!(
        ids(&running.server.requests.lock().unwrap()),
        [
            names.join(" ").as_str(),
            "busy broken blocked missing login",
            "busy blocked missing",
            "blocked missing",
        ]
        .map(str::to_owned)
    );
}

#[tokio::test]
async fn an_answer_for_the_whole_request_divides_it_or_is_asked_again() {
    let statuses = vec![429, 503, 401, 403, 413, 400];
    let running = start(|_, _| (200, ""), statuses, "elasticsearch").await;
    let documents = ["a", "b", "c", "d"].map(event).to_vec();
    let (status, refused) = run(&config(&json!(running.address), json!({})), documents).await;
    assert_eq!((status, refused.len()), (EventStatus::Delivered, 0));
    let sent = ids(&running.server.requests.lock().unwrap());
    assert!(sent[..5].iter().all(|ids| ids == "a b c d"), "{sent:?}");
    assert_eq!(sent[5..].len(), 4, "{sent:?}");
}

#[tokio::test]
async fn logs_in_and_compresses_as_configured() {
    let running = serve(|_, _| (201, "")).await;
    let address = json!(format!("{}/", running.address));
    for auth in [
        json!({"strategy": "basic", "user": "u", "password": "p"}),
        json!({"strategy": "bearer", "token": "t0ken"}),
        json!({"strategy": "api_key", "key": "id:key"}),
        json!({"strategy": "api_key", "key": "ZW5jb2RlZA=="}),
    ] {
        let config = config(&address, json!({ "auth": auth, "compression": "gzip" }));
        assert!(!format!("{config:?}").contains("t0ken"));
        run(&config, vec![event("a")]).await;
    }
    let requests = running.server.requests.lock().unwrap();
    let logins: Vec<_> = requests
        .iter()
        .map(|(_, headers, _)| headers["authorization"].to_str().unwrap())
        .collect();
    let expected = [
        "Basic dTpw",
        "Bearer t0ken",
        "ApiKey aWQ6a2V5",
        "ApiKey ZW5jb2RlZA==",
    ];
    assert_eq!(logins, expected);
    for (uri, headers, _) in requests.iter() {
        assert_eq!(headers["content-encoding"], "gzip");
        let query = uri.query().unwrap();
        assert!(query.starts_with("filter_path=errors,items."));
        // Before we give up, so that it is the server who says what it waited for.
        assert!(query.ends_with("&timeout=45000ms"), "{query}");
    }
}

#[tokio::test]
async fn a_host_that_is_down_is_no_obstacle() {
    let running = serve(|_, _| (201, "")).await;
    let endpoints = json!(["http://127.0.0.1:1", running.address]);
    let options =
        json!({ "batch": { "max_events": 1 }, "request": { "retry_attempts": 0, "concurrency": 1 } });
    let documents = (0..6).map(|number| event(&number.to_string())).collect();
    let (status, _) = run(&config(&endpoints, options), documents).await;
    assert_eq!(status, EventStatus::Delivered);
    assert_eq!(running.server.requests.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn the_health_check_says_what_answers() {
    let running = start(|_, _| (201, ""), Vec::new(), "opensearch").await;
    let check = async |more: Value| config(&json!(running.address), more).healthcheck(&cx()).await;
    assert_eq!(check(json!({})).await.unwrap(), "OpenSearch 9.1.0");
    let fixed = config(
        &json!("http://127.0.0.1:1"),
        json!({ "api_version": "elasticsearch" }),
    );
    assert!(fixed.healthcheck(&cx()).await.unwrap().starts_with("not asked"));
}

#[tokio::test]
async fn the_template_is_installed_once() {
    let running = serve(|_, _| (201, "")).await;
    let mut config = config(
        &json!(running.address),
        json!({ "lifecycle": { "data_retention": "2160h" } }),
    );
    let shown = config.0.setup(&cx(), true).await.unwrap();
    let shown: Value = serde_json::from_str(&shown.dry.unwrap()).unwrap();
    assert!(running.server.templates.lock().unwrap().is_empty());
    let unchanged =
        async |config: &Remote<ElasticsearchConfig>| config.0.setup(&cx(), false).await.unwrap().unchanged;
    assert!(!unchanged(&config).await);
    assert_eq!(
        running.server.templates.lock().unwrap()["o365-host-logs-o365.audit"],
        shown
    );
    assert!(unchanged(&config).await);
    config.0.lifecycle = None;
    config.0.data_stream.dataset = "other".to_owned();
    assert!(!unchanged(&config).await);
}

#[test]
fn every_mistake_is_found() {
    let problems = |endpoints: Value, more: Value| -> Vec<String> {
        let problems = config(&endpoints, more).validate(&cx());
        problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect()
    };
    assert!(problems(json!("https://es:9200/path"), json!({})).is_empty());
    assert_eq!(problems(json!([]), json!({})), ["endpoints: is empty"]);
    assert_eq!(
        problems(
            json!("http://es/?a=b"),
            json!({
                "data_stream": { "dataset": "a-b", "namespace": "A" }, "id_key": "event.", "compression": "zstd",
                "lifecycle": { "data_retention": "1s" }, "auth": { "strategy": "api_key", "key": "a\nb" },
            })
        ),
        [
            "endpoints: `http://es/?a=b` has a query",
            "id_key: `event.` is not a path",
            "data_stream.dataset: `a-b` cannot be part of a name",
            "data_stream.namespace: `A` cannot be part of a name",
            "compression: the servers do not read `zstd`",
            "lifecycle.data_retention: is less than an hour",
            "auth.key: has characters that no header can have",
        ]
    );
    let es = || json!("http://es");
    assert_eq!(
        problems(es(), json!({ "mode": "bulk" })),
        ["bulk: is missing: `mode: bulk` needs an index"]
    );
    assert_eq!(
        problems(es(), json!({ "bulk": { "index": "a" } })),
        ["bulk: is for `mode: bulk`"]
    );
    assert_eq!(
        problems(es(), json!({ "mode": "bulk", "bulk": { "index": "a-%!" } })),
        ["bulk.index: `a-%!` is not the name of an index"]
    );
}
