//! `top` shows what a running host does, and says what to do when there is none.

use std::time::Duration;

use o365_simulator::SimulatorConfig;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    local_api::listening,
    support::{Lab, PATIENCE, host, output, stderr, terminate},
};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";

/// A lab whose pipeline has the API, with a token.
async fn lab(events: u64) -> Lab {
    let lab = Lab::new(SimulatorConfig::demo(9, 2, events), FILE).await;
    let text = std::fs::read_to_string(lab.path("pipeline.yaml")).unwrap();
    let api = "api: { enabled: true, address: \"127.0.0.1:0\", token: s3cret-of-the-api }\n";
    std::fs::write(lab.path("pipeline.yaml"), format!("{api}{text}")).unwrap();
    std::fs::write(lab.path("token"), "s3cret-of-the-api\n").unwrap();
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_host_is_shown_as_text_and_as_json() {
    let lab = lab(300).await;
    let mut child = lab.run(&["--log-format", "json"]).spawn().unwrap();
    let address = listening(&mut child).await;
    let url = format!("http://{address}");
    let top = |more: &[&str]| {
        let mut command = host(lab.dir.path());
        command
            .args(["top", "--url", &url, "--interval", "100ms"])
            .args(more);
        command
    };

    // Everything is delivered at some time.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let shown = loop {
        let run = output(&mut top(&["--json", "--token-file", "token"])).await;
        assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
        let shown: Value = serde_json::from_slice(&run.stdout).unwrap();
        let feeds = shown["feeds"].as_array().unwrap();
        let listed = feeds.iter().filter(|feed| !feed["lag_seconds"].is_null()).count();
        let flowing = shown["totals"]["events_in_flight"].as_f64().unwrap();
        let named = shown["tenants"][0]["name"].is_string();
        if listed == 10 && flowing < 1.0 && named && lab.delivered("out.ndjson").len() == 300 {
            break shown;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited too long: {shown}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&shown["status"], &shown["ready"]), (&"ok".into(), &true.into()));
    let ids: Vec<_> = shown["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| component["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["o365", "ecs", "out"]);
    assert_eq!(shown["tenants"][0]["max_requests_per_minute"], 60_000);
    assert!(shown["interval_seconds"].as_f64().unwrap() >= 0.1);
    assert_eq!(shown["wasm"][0]["id"], "ecs");
    assert_eq!(shown["totals"]["lost"], 0);

    let mut plain = top(&["--once"]);
    let plain = output(plain.env("O365_API_TOKEN", "s3cret-of-the-api")).await;
    assert_eq!(plain.status.code(), Some(0), "{}", stderr(&plain));
    let text = String::from_utf8(plain.stdout).unwrap();
    for part in [
        "TENANT ",
        "COMPONENT ",
        "WASM ",
        "ready  ok",
        "Audit.Exchange",
        lab.tenant_name(lab.tenant(0)),
    ] {
        assert!(text.contains(part), "no {part}: {text}");
    }
    assert!(
        !text.contains('\x1b'),
        "colours belong on a terminal only: {text}"
    );

    let refused = output(&mut top(&["--once"])).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("O365_API_TOKEN or --token-file"),
        "{}",
        stderr(&refused)
    );
    let wrong = output(&mut top(&["--once", "--token", "wr0ng"])).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("does not know this token"),
        "{}",
        stderr(&wrong)
    );
    assert!(!stderr(&wrong).contains("wr0ng"), "{}", stderr(&wrong));
    assert_eq!(terminate(&mut child).await, Some(0));
}

#[tokio::test]
async fn without_a_host_it_says_what_to_do() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let dir = tempfile::tempdir().unwrap();
    let run = output(host(dir.path()).args(["top", "--url", &format!("http://user:pw@{address}")])).await;
    assert_eq!(run.status.code(), Some(1));
    let log = stderr(&run);
    assert!(
        log.contains(&format!("nothing answers at http://{address}"))
            && log.contains("api: { enabled: true }"),
        "{log}"
    );
    assert!(!log.contains("pw@"), "{log}");
}
