//! `simulate` writes a configuration that collects from it, and writes over nothing.

use std::collections::BTreeSet;

use crate::support::{host, lines, output, stderr, terminate, wait_for};

const SIMULATE: [&str; 10] = [
    "simulate",
    "--listen",
    "127.0.0.1:0",
    "--events",
    "100",
    "--tenants",
    "12",
    "--events-per-blob",
    "5",
    "--write-config",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_written_configuration_collects_everything_from_every_tenant() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("tried.yaml");
    let mut simulator = host(home.path()).args(SIMULATE).arg(&config).spawn().unwrap();
    // It begins to be written before it is complete, and ends with the sink.
    let is_written = || std::fs::read_to_string(&config).is_ok_and(|text| text.ends_with("o365.ndjson }\n"));
    wait_for(is_written, || "the configuration is never written".to_owned()).await;

    let run = output(
        host(home.path())
            .args(["run", "--once", "--workers", "2", "--config"])
            .arg(&config),
    )
    .await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let documents = lines(&std::fs::read(home.path().join("o365.ndjson")).unwrap());
    let of = |path: &str| -> BTreeSet<String> {
        let value = |document: &serde_json::Value| document.pointer(path)?.as_str().map(str::to_owned);
        documents.iter().filter_map(value).collect()
    };
    assert_eq!(documents.len(), 100);
    assert_eq!(of("/event/id").len(), 100);
    assert_eq!(of("/organization/id").len(), 12, "tenants");

    let again = output(host(home.path()).args(SIMULATE).arg(&config)).await;
    assert_eq!(again.status.code(), Some(1));
    let said = stderr(&again);
    assert!(
        said.contains("tried.yaml") && said.contains("remove it"),
        "{said}"
    );
    assert_eq!(terminate(&mut simulator).await, Some(0));
}
