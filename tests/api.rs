//! Health, readiness and metrics of a pipeline that runs, and the file of a run that is over.

#![expect(clippy::float_cmp, reason = "what is compared are counts, whole numbers")]

use std::{collections::BTreeMap, net::SocketAddr};

use o365_simulator::{FaultPlan, FaultRule, Operation, SimulatorConfig};
use tokio::{io::AsyncReadExt, net::TcpListener, process::Child};

use crate::{
    local_api::{get, listening},
    support::{Lab, PATIENCE, output, signal, stderr, terminate},
};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";

/// A lab whose pipeline has the API at this address.
async fn lab(address: &str, simulated: SimulatorConfig, sinks: &str) -> Lab {
    let lab = Lab::new(simulated, sinks).await;
    let path = lab.path("pipeline.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!("api: {{ enabled: true, address: \"{address}\" }}\n{text}"),
    )
    .unwrap();
    lab
}

/// Starts the program, and waits until its log names the address of the API.
async fn start(lab: &Lab) -> (Child, SocketAddr) {
    let mut child = lab.run(&["--log-format", "json"]).spawn().unwrap();
    let address = listening(&mut child).await;
    (child, address)
}

/// Samples by their text before the value.
pub(crate) fn samples(text: &str) -> BTreeMap<&str, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name, value.parse().unwrap())
        })
        .collect()
}

/// The sum over all samples of a name.
pub(crate) fn sum(samples: &BTreeMap<&str, f64>, name: &str) -> f64 {
    let of = samples
        .iter()
        .filter(|(key, _)| key.split('{').next() == Some(name));
    of.map(|(_, value)| value).sum()
}

async fn metrics(address: SocketAddr, holds: impl Fn(&BTreeMap<&str, f64>) -> bool) -> String {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (status, head, body) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(
            head.contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        if holds(&samples(&body)) {
            return body;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited too long: {body}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_pipeline_shows_how_it_is_doing() {
    let lab = lab("127.0.0.1:0", SimulatorConfig::demo(9, 2, 300), FILE).await;
    let (mut child, address) = start(&lab).await;
    let text = metrics(address, |samples| {
        sum(samples, "o365_feed_blobs_delivered_total") > 0.0
            && sum(samples, "o365_feed_events_sent_total") == 300.0
            && sum(samples, "o365_component_received_events_total") == 600.0
            && sum(samples, "o365_buffer_events") == 0.0
    })
    .await;
    let samples = samples(&text);
    let tenant = lab.tenant(0);
    assert_eq!(
        samples[r#"o365_component_received_events_total{component_id="out",component_kind="sink",component_type="file"}"#],
        300.0
    );
    assert_eq!(
        samples[r#"o365_component_sent_events_total{component_id="o365",component_kind="source",component_type="o365_audit"}"#],
        300.0
    );
    let token = format!(
        r#"o365_tenant_requests_total{{component_id="o365",tenant="{tenant}",request="token",outcome="ok"}}"#
    );
    assert_eq!(samples[token.as_str()], 1.0, "{text}");
    assert_eq!(sum(&samples, "o365_alarms"), 0.0);
    assert_eq!(sum(&samples, "o365_dead_letters_total"), 0.0);
    assert!(!text.contains(lab.secret()), "the secret is in the metrics");

    let (status, _, body) = get(address, "/health").await;
    assert_eq!((status, body.as_str()), (200, r#"{"status":"ok","alarms":[]}"#));
    assert_eq!(get(address, "/ready").await.0, 200);
    assert_eq!(get(address, "/nothing").await.0, 404);

    let (status, _, body) = get(address, "/api/feeds").await;
    assert_eq!(status, 200);
    assert!(!body.contains(lab.secret()), "the secret is in the feeds");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let source = &answer["sources"][0];
    assert_eq!(source["id"], "o365");
    let feeds = source["feeds"].as_array().unwrap();
    let sent: u64 = feeds
        .iter()
        .map(|feed| feed["events_sent"].as_u64().unwrap())
        .sum();
    assert_eq!((feeds.len(), sent), (10, 300), "{body}");
    assert!(feeds.iter().all(|feed| feed["failure"].is_null()), "{body}");
    assert_eq!(source["tenants"].as_array().unwrap().len(), 2);
    assert_eq!(terminate(&mut child).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_person_is_an_alarm() {
    let lab = lab("127.0.0.1:0", SimulatorConfig::demo(9, 1, 60), FILE).await;
    let bad = lab.simulator.handle().report().blobs[0].clone();
    lab.simulator.handle().set_faults(FaultPlan::new([FaultRule {
        content_id: Some(bad.content_id),
        ..FaultRule::new(Operation::FetchBlob, o365_simulator::Action::EmptyBody)
    }]));
    let run = output(&mut lab.run(&["--once"])).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let (mut child, address) = start(&lab).await;
    let text = metrics(address, |samples| sum(samples, "o365_alarms") == 1.0).await;
    let alarm = r#"o365_alarms{component_id="o365",alarm="quarantined"}"#;
    assert_eq!(samples(&text)[alarm], 1.0);
    let (status, _, body) = get(address, "/health").await;
    assert_eq!(status, 200, "a restart would not help");
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(health["status"], "degraded");
    let alarm = &health["alarms"][0];
    assert_eq!(alarm["alarm"], "quarantined");
    assert_eq!(alarm["tenant"], bad.tenant);
    assert_eq!(alarm["content_type"], bad.content_type.as_str());
    assert!(
        alarm["advice"].as_str().unwrap().contains("state retry"),
        "{body}"
    );
    assert_eq!(terminate(&mut child).await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_drains_is_not_ready() {
    // Nobody reads what the console sink writes, so the pipeline cannot drain.
    let lab = lab(
        "127.0.0.1:0",
        SimulatorConfig::demo(6, 1, 2_000),
        "  out: { type: console, inputs: [ecs] }",
    )
    .await;
    let text = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    std::fs::write(lab.path("pipeline.yaml"), format!("shutdown_grace: 10m\n{text}")).unwrap();
    let (mut child, address) = start(&lab).await;
    let mut stdout = child.stdout.take().unwrap();
    let mut byte = [0];
    stdout.read_exact(&mut byte).await.unwrap();
    assert_eq!(get(address, "/ready").await.0, 200);
    let waiting = metrics(address, |samples| sum(samples, "o365_buffer_events") > 0.0).await;
    assert!(sum(&samples(&waiting), "o365_buffer_byte_size") > 0.0);
    signal(&child, "TERM").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while get(address, "/ready").await.0 != 503 {
        assert!(tokio::time::Instant::now() < deadline, "it stays ready");
    }
    assert_eq!(get(address, "/health").await.0, 200);
    assert_eq!(terminate(&mut child).await, Some(143));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_an_error_of_the_start() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let lab = lab(&address, SimulatorConfig::demo(9, 1, 10), FILE).await;
    let run = output(&mut lab.run(&["--once"])).await;
    assert_eq!(run.status.code(), Some(1));
    let log = stderr(&run);
    assert!(log.contains("api.address") && log.contains(&address), "{log}");
    assert!(
        !lab.path("data/o365").exists(),
        "it began although nobody could see it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_its_metrics_in_a_file_also_when_it_fails() {
    let lab = Lab::new(SimulatorConfig::demo(9, 2, 100), FILE).await;
    let mut refused = FaultRule::new(
        Operation::Token,
        o365_simulator::Action::Aadsts { code: 7_000_215 },
    );
    refused.tenant = Some(lab.tenant(0).to_owned());
    lab.simulator.handle().set_faults(FaultPlan::new([refused]));
    let arguments = ["--once", "--metrics-file", "o365.prom"];
    let run = output(&mut lab.run(&arguments)).await;
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));
    let text = std::fs::read_to_string(lab.path("o365.prom")).unwrap();
    let failed = samples(&text);
    assert_eq!(failed["o365_last_run_success"], 0.0);
    let refused = format!(
        r#"o365_tenant_requests_total{{component_id="o365",tenant="{}",request="token",outcome="refused"}}"#,
        lab.tenant(0)
    );
    assert!(failed[refused.as_str()] >= 1.0, "{text}");
    assert!(!text.contains(lab.secret()) && !text.contains("AADSTS"), "{text}");

    lab.simulator.handle().set_faults(FaultPlan::default());
    let run = output(&mut lab.run(&arguments)).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let text = std::fs::read_to_string(lab.path("o365.prom")).unwrap();
    let healed = samples(&text);
    assert_eq!(healed["o365_last_run_success"], 1.0);
    assert_eq!(sum(&healed, "o365_feed_pending_blobs"), 0.0);
    assert_eq!(
        sum(&failed, "o365_feed_events_sent_total") + sum(&healed, "o365_feed_events_sent_total"),
        100.0
    );
    assert!(healed["o365_last_run_end_timestamp_seconds"] >= healed["o365_start_timestamp_seconds"]);
    let names: Vec<_> = text
        .lines()
        .filter(|line| line.contains("tenant_info{"))
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");

    let nowhere = output(&mut lab.run(&["--once", "--metrics-file", "no/such/folder/o365.prom"])).await;
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(
        stderr(&nowhere).contains("--metrics-file no/such/folder/o365.prom"),
        "{}",
        stderr(&nowhere)
    );
}
