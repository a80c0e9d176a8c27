//! The log for machines: whoever reads a line of it knows of what it is.

use std::collections::BTreeSet;

use o365_simulator::{Action, FaultPlan, FaultRule, Operation, SimulatorConfig};
use serde_json::Value;

use crate::support::{Lab, lines, output, stderr};

const FILE: &str = "  out: { type: file, inputs: [ecs, odd], path: out.ndjson }";

#[tokio::test(flavor = "multi_thread")]
async fn each_line_names_its_component_and_each_error_its_tenant_and_feed() {
    let lab = Lab::new(SimulatorConfig::demo(9, 2, 100), FILE).await;
    let text = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    // Fails on every event, and says so.
    let odd = "transforms:\n  odd: { type: remap, inputs: [o365], source: \".a = to_int!(.Id)\", drop_on_error: true }\n";
    std::fs::write(lab.path("pipeline.yaml"), text.replacen("transforms:\n", odd, 1)).unwrap();
    let mut refused = FaultRule::new(Operation::Token, Action::Aadsts { code: 7_000_215 });
    refused.tenant = Some(lab.tenant(0).to_owned());
    let mut broken = FaultRule::new(Operation::FetchBlob, Action::EmptyBody);
    broken.times = Some(2);
    lab.simulator
        .handle()
        .set_faults(FaultPlan::new([refused, broken]));
    let run = output(&mut lab.run(&[
        "--once",
        "--log-format",
        "json",
        "--log-level",
        "warn,o365_source=debug",
    ]))
    .await;
    assert_eq!(run.status.code(), Some(1), "{}", stderr(&run));

    // The last line is for the person who called it.
    let log = stderr(&run);
    let log: String = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| format!("{line}\n"))
        .collect();
    let log = lines(log.as_bytes());
    let is_from = |line: &&Value, target: &str| line["target"].as_str().unwrap().starts_with(target);
    let mut said = BTreeSet::new();
    for line in log.iter().filter(|line| is_from(line, "o365_source")) {
        assert_eq!(line["span"]["component_id"], "o365", "{line}");
        assert!(line.get("spans").is_none(), "{line}");
        let message = line["message"].as_str().unwrap();
        if matches!(line["level"].as_str(), Some("WARN" | "ERROR")) {
            said.insert(message);
            assert!(line["tenant"].is_string(), "{line}");
            // A token is of all feeds of its tenant.
            assert!(
                line["content_type"].is_string() || message == "no access token",
                "{line}"
            );
            assert!(line["error"].is_string(), "{line}");
        }
    }
    for message in [
        "no access token",
        "the feed is not complete",
        "a blob could not be delivered, it is tried again",
    ] {
        assert!(said.contains(message), "{said:?}");
    }
    let letters = log.iter().filter(|line| is_from(line, "o365_host::dead_letter"));
    assert!(letters.clone().count() > 0, "{log:?}");
    assert!(letters.clone().all(|line| line["component"] == "odd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_for_people_has_no_spans() {
    let lab = Lab::new(
        SimulatorConfig::demo(9, 1, 20),
        "  out: { type: file, inputs: [ecs], path: out.ndjson }",
    )
    .await;
    let run = output(&mut lab.run(&["--once", "--log-level", "debug"])).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let log = stderr(&run);
    assert!(
        log.contains("source started") && !log.contains("component{"),
        "{log}"
    );
}
