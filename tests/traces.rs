//! Traces of a run, as a collector receives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Output,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use o365_simulator::{Action, FaultPlan, FaultRule, Operation, SimulatorConfig};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, process::Command, task::JoinSet};

use crate::support::{Lab, lines, output, stderr};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";
const KEY: &str = "key-of-the-collector";

type Requests = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// What stands where a collector would.
struct Collector {
    url: String,
    requests: Requests,
    _serving: JoinSet<()>,
}

impl Collector {
    async fn start() -> Self {
        let requests = Requests::default();
        let take = |State(requests): State<Requests>, headers: HeaderMap, body: Bytes| async move {
            requests.lock().unwrap().push((headers, body));
        };
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&requests));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            requests,
            _serving: serving,
        }
    }

    fn bodies(&self) -> Vec<ExportTraceServiceRequest> {
        let requests = self.requests.lock().unwrap();
        let decode =
            |(_, body): &(HeaderMap, Bytes)| ExportTraceServiceRequest::decode(body.clone()).unwrap();
        requests.iter().map(decode).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.bodies().into_iter().flat_map(|body| body.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The attributes of the resource, of which there is one.
    fn resource(&self) -> BTreeMap<String, String> {
        let bodies = self.bodies();
        let resource = bodies[0].resource_spans[0].resource.clone().unwrap();
        let values = resource.attributes.into_iter().map(|attribute| {
            let value = attribute.value.and_then(|value| value.value);
            (attribute.key, value.map_or_else(String::new, text))
        });
        values.collect()
    }
}

fn text(value: Value) -> String {
    match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// An attribute; empty if it is not there.
fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.clone()?.value);
    value.map_or_else(String::new, text)
}

fn failed(span: &Span) -> bool {
    // `STATUS_CODE_ERROR`
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn children<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let children = spans.iter().filter(|span| span.parent_span_id == parent.span_id);
    children
        .inspect(|child| assert_eq!(child.trace_id, parent.trace_id))
        .collect()
}

fn names(spans: &[&Span]) -> BTreeSet<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

async fn lab(events: u64, telemetry: &str) -> Lab {
    let lab = Lab::new(SimulatorConfig::demo(9, 1, events), FILE).await;
    let text = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    std::fs::write(lab.path("pipeline.yaml"), format!("{telemetry}\n{text}")).unwrap();
    lab
}

/// A run to its end, in which everything is delivered.
async fn run(lab: &Lab, change: impl FnOnce(&mut Command)) -> Output {
    let mut command = lab.run(&["--once", "--metrics-file", "o365.prom"]);
    change(command.env("COLLECTOR_KEY", KEY));
    let run = output(&mut command).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(
        lab.delivered("out.ndjson").into_keys().collect::<BTreeSet<_>>(),
        lab.existing()
    );
    run
}

/// The value of a metric in the file of the run.
fn metric(lab: &Lab, name: &str) -> u64 {
    let text = std::fs::read_to_string(lab.path("o365.prom")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value: f64 = line
        .unwrap_or_else(|| panic!("no {name}: {text}"))
        .parse()
        .unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = value as u64;
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn each_blob_has_a_trace_from_its_request_to_its_acknowledgement() {
    let collector = Collector::start().await;
    let telemetry = format!(
        "telemetry:\n  traces:\n    otlp:\n      endpoint: {}\n      headers: {{ x-api-key: \"${{COLLECTOR_KEY}}\" }}\n      \
         resource_attributes: {{ deployment.environment.name: test }}",
        collector.url
    );
    let lab = lab(300, &telemetry).await;
    let blobs = lab.simulator.handle().report().blobs;
    let bad = blobs[0].content_id.clone();
    let mut busy = FaultRule::new(
        Operation::FetchBlob,
        Action::Respond {
            status: 503,
            headers: BTreeMap::new(),
            body: "a word of the service".to_owned(),
        },
    );
    busy.content_id = Some(bad.clone());
    busy.times = Some(1);
    lab.simulator.handle().set_faults(FaultPlan::new([busy]));
    let run = run(&lab, |command| {
        command.args(["--log-level", "trace"]);
    })
    .await;

    let spans = collector.spans();
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "o365-host");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["deployment.environment.name"], "test");
    assert_eq!(
        metric(&lab, "o365_trace_spans_exported_total"),
        spans.len() as u64
    );
    assert_eq!(
        metric(&lab, r#"o365_trace_spans_dropped_total{reason="queue_full"}"#),
        0
    );
    assert_eq!(
        metric(&lab, r#"o365_trace_spans_dropped_total{reason="export_failed"}"#),
        0
    );

    // One for each attempt, and one attempt more for the blob that was not to be had at first.
    let traced = named(&spans, "blob");
    assert_eq!(traced.len(), blobs.len() + 1);
    let mut events = 0;
    for blob in &blobs {
        let attempts = traced
            .iter()
            .filter(|span| attribute(span, "o365.content_id") == blob.content_id);
        let done = attempts
            .clone()
            .find(|span| attribute(span, "o365.outcome") == "done")
            .unwrap();
        assert_eq!(attempts.count(), if blob.content_id == bad { 2 } else { 1 });
        assert!(done.parent_span_id.is_empty() && !failed(done), "{done:?}");
        assert_eq!(attribute(done, "o365.component_id"), "o365");
        assert_eq!(attribute(done, "o365.tenant"), lab.tenant(0));
        assert_eq!(attribute(done, "o365.content_type"), blob.content_type.as_str());
        assert_eq!(attribute(done, "o365.status"), "delivered");
        events += attribute(done, "o365.events").parse::<usize>().unwrap();

        let parts = children(&spans, done);
        let expected = ["fetch", "emit", "transform ecs", "deliver out", "acknowledge"];
        assert_eq!(names(&parts), expected.map(str::to_owned).into(), "{parts:?}");
        let part = |name: &str| *parts.iter().find(|part| part.name == name).unwrap();
        for span in &parts {
            assert!(done.start_time_unix_nano <= span.start_time_unix_nano, "{span:?}");
            assert!(span.end_time_unix_nano <= done.end_time_unix_nano, "{span:?}");
        }
        assert!(part("fetch").end_time_unix_nano <= part("emit").start_time_unix_nano);
        assert!(part("deliver out").end_time_unix_nano <= part("acknowledge").end_time_unix_nano);
        assert_eq!(attribute(part("deliver out"), "o365.status"), "delivered");
        assert_eq!(attribute(part("transform ecs"), "o365.component_id"), "ecs");
        let requests = children(&spans, part("fetch"));
        let request = requests.iter().find(|span| span.name == "GET blob").unwrap();
        // `SPAN_KIND_CLIENT`
        assert_eq!(request.kind, 3);
        assert_eq!(attribute(request, "http.request.method"), "GET");
        assert_eq!(attribute(request, "http.response.status_code"), "200");
        assert_eq!(attribute(request, "server.address"), "127.0.0.1");
    }
    assert_eq!(events, 300);

    let first = traced
        .iter()
        .find(|span| attribute(span, "o365.outcome") == "later")
        .unwrap();
    assert!(failed(first), "{first:?}");
    assert_eq!(attribute(first, "o365.content_id"), bad);
    assert_eq!(attribute(first, "o365.attempt"), "1");
    let fetch = children(&spans, first)[0];
    let request = children(&spans, fetch)[0];
    assert!(failed(fetch) && failed(request), "{request:?}");
    assert_eq!(attribute(request, "http.response.status_code"), "503");
    assert_eq!(attribute(request, "error.type"), "server_error");

    let tokens = named(&spans, "POST token");
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(attribute(tokens[0], "http.response.status_code"), "200");
    let lists = named(&spans, "list");
    assert!(lists.len() >= 5, "{lists:?}");
    let found: usize = lists
        .iter()
        .map(|list| attribute(list, "o365.blobs").parse::<usize>().unwrap())
        .sum();
    assert!(found >= blobs.len(), "{found}");
    assert!(
        lists
            .iter()
            .all(|list| names(&children(&spans, list)) == BTreeSet::from(["GET content".to_owned()]))
    );

    holds_no_secrets(&lab, &collector, &stderr(&run));
}

/// Neither the collector nor the log gets a secret; the collector gets nothing of an event, and the log no spans.
#[track_caller]
fn holds_no_secrets(lab: &Lab, collector: &Collector, log: &str) {
    let mut forbidden = vec![
        lab.secret().to_owned(),
        KEY.to_owned(),
        "Bearer".to_owned(),
        "eyJ".to_owned(),
        "a word of the service".to_owned(),
        "PublisherIdentifier".to_owned(),
    ];
    let text = std::fs::read(lab.path("out.ndjson")).unwrap();
    for document in lines(&text) {
        for value in [
            &document["event"]["id"],
            &document["user"]["id"],
            &document["source"]["ip"],
        ] {
            forbidden.extend(value.as_str().filter(|text| text.len() > 8).map(str::to_owned));
        }
    }
    assert!(forbidden.len() > 300, "{forbidden:?}");
    for (headers, body) in collector.requests.lock().unwrap().iter() {
        assert_eq!(headers["x-api-key"], KEY);
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let body = String::from_utf8_lossy(body);
        for text in &forbidden {
            assert!(!body.contains(text.as_str()), "{text} was exported");
        }
    }
    assert!(
        !log.contains(KEY) && !log.contains(lab.secret()),
        "a secret is in the log"
    );
    assert!(
        !log.contains("o365_trace") && !log.contains("blob{"),
        "spans are in the log: {log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_changes_nothing() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let telemetry = format!("telemetry: {{ traces: {{ otlp: {{ endpoint: \"http://{address}\" }} }} }}");
    let lab = lab(300, &telemetry).await;
    let run = run(&lab, |_| {}).await;
    let log = stderr(&run);
    assert_eq!(log.matches("spans of traces were dropped").count(), 1, "{log}");
    assert!(metric(&lab, r#"o365_trace_spans_dropped_total{reason="export_failed"}"#) > 0);
    assert_eq!(metric(&lab, "o365_trace_spans_exported_total"), 0);
}

/// It is neither waited for while events flow, nor at the end for longer than a few seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_changes_nothing() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = silent.local_addr().unwrap();
    let telemetry =
        format!("telemetry: {{ traces: {{ otlp: {{ endpoint: \"http://{address}\", timeout: 10m }} }} }}");
    let lab = lab(300, &telemetry).await;
    let run = run(&lab, |_| {}).await;
    let log = stderr(&run);
    assert!(
        log.contains("the last spans of traces may not have been exported"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_of_opentelemetry_count_only_if_traces_are_wanted() {
    let collector = Collector::start().await;
    let variables = |command: &mut Command| {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
            .env("OTEL_SERVICE_NAME", "audit-of-the-environment");
    };
    let without = lab(40, "").await;
    run(&without, variables).await;
    assert!(collector.requests.lock().unwrap().is_empty());
    let text = std::fs::read_to_string(without.path("o365.prom")).unwrap();
    assert!(!text.contains("trace_spans"), "{text}");

    let with = lab(40, "telemetry: { traces: { otlp: {} } }").await;
    run(&with, variables).await;
    assert!(!named(&collector.spans(), "blob").is_empty());
    assert_eq!(collector.resource()["service.name"], "audit-of-the-environment");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_neither_exported_nor_dropped() {
    let collector = Collector::start().await;
    let telemetry = format!(
        "telemetry: {{ traces: {{ otlp: {{ endpoint: \"{}/v1/traces\", sample_ratio: 0 }} }} }}",
        collector.url
    );
    let lab = lab(40, &telemetry).await;
    run(&lab, |_| {}).await;
    assert!(collector.requests.lock().unwrap().is_empty());
    assert_eq!(metric(&lab, "o365_trace_spans_exported_total"), 0);
    assert_eq!(
        metric(&lab, r#"o365_trace_spans_dropped_total{reason="export_failed"}"#),
        0
    );
}
