//! Every example loads.

use std::path::Path;

use crate::support::{host, output, stderr};

/// A certificate and files that the examples name are made here: an example must not ship a key.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("O365_APPLICATION_ID", "11111111-2222-3333-4444-555555555555"),
    ("O365_CLIENT_SECRET", "secret"),
    ("O365_KEY_PASSPHRASE", "secret"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let home = tempfile::tempdir().unwrap();
    copy(&examples, home.path());
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transform-wasm/component/o365_ecs.wasm");
    let mut seen = 0;
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let output = output(
            host(home.path())
                .args(["validate", "--config"])
                .arg(&path)
                .envs(ENVIRONMENT)
                .env("COMPONENT", &component),
        )
        .await;
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

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
