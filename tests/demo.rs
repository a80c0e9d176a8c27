//! The demonstration shows the whole pipeline, and the same seed gives the same output.

use std::collections::BTreeSet;

use crate::support::{host, lines, output, stderr};

async fn demo(arguments: &[&str]) -> (Vec<u8>, String) {
    let home = tempfile::tempdir().unwrap();
    let output = output(host(home.path()).arg("demo").args(arguments)).await;
    assert!(output.status.success(), "{}", stderr(&output));
    (output.stdout.clone(), stderr(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_output() {
    let (first, summary) = demo(&["--json", "--events", "300", "--seed", "7"]).await;
    let (second, _) = demo(&["--json", "--events", "300", "--seed", "7"]).await;
    let (other, _) = demo(&["--json", "--events", "300", "--seed", "8"]).await;
    assert!(first == second, "two runs with one seed differ");
    assert!(first != other, "two seeds give the same events");

    let documents = lines(&first);
    let ids: BTreeSet<_> = documents
        .iter()
        .map(|document| document["event"]["id"].to_string())
        .collect();
    assert_eq!((documents.len(), ids.len()), (300, 300));
    let tenants: BTreeSet<_> = documents
        .iter()
        .map(|document| document["organization"]["id"].to_string())
        .collect();
    assert_eq!(tenants.len(), 2);
    for document in &documents {
        assert_eq!(
            document["event"]["dataset"], "o365.audit",
            "mapped in the component: {document}"
        );
        assert_eq!(document["labels"]["env"], "demo", "refined in VRL: {document}");
    }
    assert!(summary.contains("300 events"), "{summary}");
    for content_type in [
        "Audit.AzureActiveDirectory",
        "Audit.Exchange",
        "Audit.SharePoint",
        "Audit.General",
        "DLP.All",
    ] {
        assert!(
            summary.contains(content_type),
            "{content_type} is missing:\n{summary}"
        );
    }
    assert!(summary.contains("events/s"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_events_and_tenants() {
    let (text, _) = demo(&["--events", "37", "--tenants", "3"]).await;
    let documents = lines(&text);
    let tenants: BTreeSet<_> = documents
        .iter()
        .map(|document| document["organization"]["id"].to_string())
        .collect();
    assert_eq!((documents.len(), tenants.len()), (37, 3));
}
