//! Configurations that load, and that `validate` refuses when it builds them: each mistake at its line, with what to do.
//!
//! `fixtures/config/refused/*.yaml` with the expected message in `.err`; `UPDATE_EXPECT=1` rewrites it.

use std::{fmt::Write as _, path::Path};

use crate::support::{host, output, stderr};

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_reported_at_its_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/config/refused");
    // The messages name files as the configuration does.
    let home = tempfile::tempdir().unwrap();
    let mut configurations = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, home.path().join(path.file_name().unwrap())).unwrap();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            configurations.push(path);
        }
    }
    configurations.sort();
    assert!(configurations.len() >= 6, "{configurations:?}");
    let mut wrong = String::new();
    for path in configurations {
        let name = path.file_name().unwrap().to_str().unwrap();
        let run = output(host(home.path()).args(["validate", "--config", name])).await;
        let found = stderr(&run);
        assert_eq!(run.status.code(), Some(78), "{name}:\n{found}");
        let expectation = path.with_extension("err");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expectation, &found).unwrap();
        } else if std::fs::read_to_string(&expectation).unwrap_or_default() != found {
            writeln!(wrong, "{name}:\n{found}").unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "not as expected (UPDATE_EXPECT=1 rewrites):\n{wrong}"
    );
}
