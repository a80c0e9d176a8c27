//! Every example loads.

use std::path::Path;

use crate::support::{host, lines, output, output_with_input, stderr};

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_valid() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("records.ndjson"), "{}\n").unwrap();
    // An example ships neither a key nor records: they are what its users bring.
    let certificate = project.join("source/tests/fixtures/certificate");
    let environment = [
        (
            "O365_APPLICATION_ID",
            "11111111-2222-3333-4444-555555555555".into(),
        ),
        ("O365_TENANT_ID", "22222222-2222-3333-4444-555555555555".into()),
        ("O365_CLIENT_SECRET", "correct-horse".into()),
        ("HEC_TOKEN", "correct-horse".into()),
        ("VECTOR_PASSWORD", "correct-horse".into()),
        ("O365_CERTIFICATE", certificate.join("certificate.pem")),
        ("O365_KEY", certificate.join("key-encrypted.pem")),
        ("O365_KEY_PASSPHRASE", "correct-horse".into()),
        ("O365_CLIENT_SECRET", "any".into()),
        ("ES_API_KEY", "id:key".into()),
        ("KAFKA_PASSWORD", "correct-horse".into()),
        ("NATS_PASSWORD", "password".into()),
        ("RECORDS", home.path().join("records.ndjson")),
    ];
    let mut seen = 0;
    for entry in std::fs::read_dir(project.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let mut command = host(home.path());
        command
            .args(["validate", "--config"])
            .arg(&path)
            .envs(environment.clone());
        let output = output(&mut command).await;
        let said = stderr(&output);
        if path.ends_with("kafka.yaml") && cfg!(not(feature = "sink-kafka")) {
            assert_eq!(output.status.code(), Some(78), "{said}");
            assert!(
                said.contains("built without `kafka`") && said.contains("--features sink-kafka"),
                "{said}"
            );
        } else {
            assert_eq!(output.status.code(), Some(0), "{}:\n{said}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples were found");
}

#[tokio::test(flavor = "multi_thread")]
async fn refine_looks_up_filters_drops_repeats_and_routes() {
    let record = |id: &str, operation: &str, user: &str, result: &str| {
        format!(
            r#"{{"CreationTime":"2026-01-15T10:00:00","Id":"{id}","Operation":"{operation}","RecordType":1,"Workload":"Exchange","UserId":"{user}","ResultStatus":"{result}"}}"#
        )
    };
    let records = [
        record(
            "read",
            "MailItemsAccessed",
            "someone@contoso.example",
            "Succeeded",
        ),
        record(
            "watched",
            "MailItemsAccessed",
            "Alex.Smith@contoso.example",
            "Succeeded",
        ),
        record(
            "watched",
            "MailItemsAccessed",
            "Alex.Smith@contoso.example",
            "Succeeded",
        ),
        record("failed", "Set-Mailbox", "someone@contoso.example", "Failed"),
        record("other", "Set-Mailbox", "someone@contoso.example", "Succeeded"),
    ];
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/refine.yaml");
    let home = tempfile::tempdir().unwrap();
    let mut command = host(home.path());
    command.args(["transform", "--config"]).arg(example);
    let output = output_with_input(&mut command, records.join("\n").into()).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut found: Vec<_> = lines(&output.stdout)
        .into_iter()
        .map(|document| {
            let text = |pointer: &str| {
                let value = document.pointer(pointer).and_then(serde_json::Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            (text("/event/id"), text("/labels/watch"))
        })
        .collect();
    found.sort();
    let expected = [("failed", ""), ("other", ""), ("watched", "leaves the company")];
    assert_eq!(
        found,
        expected.map(|(id, watch)| (id.to_owned(), watch.to_owned()))
    );
}
