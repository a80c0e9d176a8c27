//! Every example loads.

use std::path::Path;

use crate::support::{host, output, stderr};

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
        ("O365_CERTIFICATE", certificate.join("certificate.pem")),
        ("O365_KEY", certificate.join("key-encrypted.pem")),
        ("O365_KEY_PASSPHRASE", "correct-horse".into()),
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
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}:\n{}",
            path.display(),
            stderr(&output)
        );
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples were found");
}
