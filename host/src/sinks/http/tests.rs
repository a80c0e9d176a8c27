//! Against a server of our own that says what it is told to say.

use std::{collections::BTreeMap, path::Path, sync::Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
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

type Decide = dyn Fn(usize, &str) -> axum::response::Response + Send + Sync;

/// What came, and what is answered.
struct Server {
    decide: Box<Decide>,
    requests: Mutex<Vec<(Method, Uri, HeaderMap, Bytes)>>,
}

/// A server on this machine, as long as the guard lives.
async fn serve(
    decide: impl Fn(usize, &str) -> axum::response::Response + Send + Sync + 'static,
) -> (Arc<Server>, String, tokio::task::JoinSet<()>) {
    let server = Arc::new(Server {
        decide: Box::new(decide),
        requests: Mutex::default(),
    });
    let router = Router::new().fallback(answer).with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/in?x=1", listener.local_addr().unwrap());
    let mut guard = tokio::task::JoinSet::new();
    guard.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (server, address, guard)
}

async fn answer(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    if method == Method::HEAD {
        return StatusCode::NO_CONTENT.into_response();
    }
    let number = {
        let mut requests = server.requests.lock().unwrap();
        requests.push((method, uri, headers, body.clone()));
        requests.len()
    };
    (server.decide)(number, &String::from_utf8_lossy(&body))
}

fn cx(dir: &Path) -> ComponentContext {
    ComponentContext {
        key: "out".into(),
        data_dir: dir.to_owned(),
        config_dir: dir.to_owned(),
        clock: Arc::new(SystemClock),
        services: Services::default(),
    }
}

fn config(uri: &str, more: Value) -> Remote<HttpConfig> {
    let mut options: BTreeMap<String, Value> = serde_json::from_value(more).unwrap();
    options.insert("uri".to_owned(), json!(uri));
    options.entry("request".to_owned()).or_insert_with(
        || json!({"retry_initial_backoff": "1ms", "retry_max_duration": "2ms", "concurrency": 1}),
    );
    serde_json::from_value(json!(options)).unwrap()
}

async fn run(
    config: &Remote<HttpConfig>,
    documents: &[&'static str],
) -> (EventStatus, Vec<(Bytes, Failure)>) {
    let sink = config.build(&cx(Path::new("."))).await.unwrap();
    let (batch, status) = tracked_batch(
        documents
            .iter()
            .map(|document| Bytes::from_static(document.as_bytes())),
    );
    let refused = Refused::default();
    sink.run(stream::iter([batch]).boxed(), refused.events())
        .await
        .unwrap();
    (status.status().await, refused.kept())
}

fn ok(_: usize, _: &str) -> axum::response::Response {
    StatusCode::OK.into_response()
}

#[tokio::test]
async fn keeps_the_contract_of_sinks() {
    let (server, uri, _guard) = serve(ok).await;
    let config = config(&uri, json!({}));
    let mut sinks = Vec::new();
    for _ in 0..2 {
        sinks.push(config.build(&cx(Path::new("."))).await.unwrap());
    }
    let documents = (0..10)
        .map(|number| format!("{{\"n\":{number}}}").into())
        .collect();
    sink_contract(|| sinks.pop().unwrap(), documents).await;
    let (method, uri, headers, body) = server.requests.lock().unwrap().remove(0);
    assert_eq!((method.as_str(), uri.to_string().as_str()), ("POST", "/in?x=1"));
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(String::from_utf8_lossy(&body).lines().count(), 10);
}

#[tokio::test]
async fn a_request_has_the_form_the_headers_and_the_login_that_are_configured() {
    let (server, uri, _guard) = serve(ok).await;
    let options = json!({
        "method": "put", "framing": "json_array", "compression": "gzip",
        "headers": {"X-Index": "audit", "Content-Type": "application/vnd.x+json"},
        "auth": {"strategy": "basic", "user": "u", "password": "p"},
    });
    run(&config(&uri, options), &["{\"a\":1}", "{\"b\":\n2}"]).await;
    let options = json!({
        "compression": "zstd", "auth": {"strategy": "bearer", "token": "t0ken"},
        "payload_prefix": "{\"streams\":[", "payload_suffix": "]}", "framing": "json_array",
    });
    run(&config(&uri, options), &["{\"a\":1}"]).await;
    let requests = server.requests.lock().unwrap();
    let (method, _, headers, body) = &requests[0];
    assert_eq!(method, Method::PUT);
    assert_eq!(headers["x-index"], "audit");
    let types: Vec<_> = headers.get_all("content-type").iter().collect();
    assert_eq!(types, ["application/vnd.x+json"]);
    assert_eq!(headers["authorization"], "Basic dTpw");
    assert_eq!(headers["content-encoding"], "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut text).unwrap();
    assert_eq!(text, "[{\"a\":1},{\"b\": 2}]");
    let (_, _, headers, body) = &requests[1];
    assert_eq!(headers["authorization"], "Bearer t0ken");
    assert_eq!(headers["content-type"], "application/json");
    let text = zstd::decode_all(&body[..]).unwrap();
    assert_eq!(text, b"{\"streams\":[{\"a\":1}]}");
}

#[tokio::test]
async fn only_the_guilty_event_is_refused() {
    let (_server, uri, _guard) = serve(|_, body| {
        if body.contains("bad") {
            (StatusCode::BAD_REQUEST, "field `x`\n must be a number").into_response()
        } else {
            StatusCode::CREATED.into_response()
        }
    })
    .await;
    let (status, refused) = run(&config(&uri, json!({})), &["1", "2", "bad", "4"]).await;
    assert_eq!(status, EventStatus::Rejected);
    assert_eq!(refused.len(), 1);
    assert_eq!(&refused[0].0[..], b"bad");
    let reason = &refused[0].1.reason;
    assert_eq!(
        reason,
        "the server answers 400 Bad Request: field `x` must be a number"
    );
}

#[tokio::test]
async fn what_may_pass_is_sent_again() {
    let (server, uri, _guard) = serve(|number, _| match number {
        1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        2 => StatusCode::TOO_MANY_REQUESTS.into_response(),
        // Wrong for now: nothing is wrong with the events.
        3 => StatusCode::UNAUTHORIZED.into_response(),
        4 => StatusCode::NOT_FOUND.into_response(),
        5 => (StatusCode::FOUND, [("location", "http://192.0.2.1/")]).into_response(),
        _ => StatusCode::OK.into_response(),
    })
    .await;
    let (status, refused) = run(&config(&uri, json!({})), &["1", "2"]).await;
    assert_eq!((status, refused.len()), (EventStatus::Delivered, 0));
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 6);
    assert!(requests.iter().all(|(.., body)| &body[..] == b"1\n2\n"));
}

/// What it says beside its status is not needed, and may have no end.
#[tokio::test]
async fn an_answer_without_an_end_is_an_answer() {
    let (_server, uri, _guard) = serve(|_, _| {
        let endless = stream::repeat(Ok::<_, std::convert::Infallible>(Bytes::from_static(
            &[b' '; 4096],
        )));
        axum::body::Body::from_stream(endless).into_response()
    })
    .await;
    let config = config(
        &uri,
        json!({ "request": { "timeout": "30s", "retry_attempts": 0 } }),
    );
    let (status, refused) = run(&config, &["1", "2"]).await;
    assert_eq!((status, refused), (EventStatus::Delivered, vec![]));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_answer_to_the_health_check_only() {
    let (_, uri, guard) = serve(ok).await;
    let cx = cx(Path::new("."));
    let there = config(&uri, json!({}));
    assert_eq!(there.healthcheck(&cx).await.unwrap(), "the server answers");
    drop(guard);
    let error = config("http://127.0.0.1:1/", json!({}))
        .healthcheck(&cx)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn every_mistake_is_found() {
    let problems = |uri: &str, more: Value| -> Vec<String> {
        let problems = config(uri, more).validate(&cx(Path::new(".")));
        problems
            .into_iter()
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect()
    };
    assert!(problems("https://siem.example:8088/x", json!({})).is_empty());
    assert_eq!(
        problems("siem.example", json!({})),
        ["uri: `siem.example` is not a URL: relative URL without a base"]
    );
    assert_eq!(
        problems("ftp://x/", json!({})),
        ["uri: `ftp://x/` is not a URL of HTTP"]
    );
    assert_eq!(problems("https://u:p@x/", json!({})), ["uri: holds a login"]);
    assert_eq!(
        problems(
            "",
            json!({
                "batch": {"max_bytes": "1B", "max_events": 0, "timeout": "2h"},
                "request": {"timeout": "1ms"},
                "headers": {"a b": "x", "Host": "y", "Ok": "line\nfeed"},
                "encoding": {"codec": "pretty"},
            })
        ),
        [
            "batch.max_bytes: 1B is out of range",
            "batch.max_events: 0 is out of range",
            "batch.timeout: 2h is out of range",
            "request.timeout: 1ms is out of range",
            "uri: is empty",
            "headers.Host: is set by the sink itself",
            "headers.Ok: has characters that no header can have",
            "headers.a b: is not a name of a header",
            "encoding.codec: `pretty` is for people",
        ]
    );
    let csv = json!({"codec": "csv", "csv": {"fields": ["a"], "header": true}});
    assert_eq!(
        problems("https://x/", json!({"framing": "json_array", "encoding": csv})),
        [
            "framing: `csv` makes no JSON list",
            "encoding.csv.header: only files have a header"
        ]
    );
    assert_eq!(
        problems("https://x/", json!({"tls": {"ca_file": "missing.pem"}})),
        ["tls.ca_file: ./missing.pem cannot be read: No such file or directory (os error 2)"]
    );
}
