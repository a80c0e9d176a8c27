//! A project that `wasm new` has written, on its way to a component.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

use super::wasm;
use crate::support::{host, output_within, stderr};

/// Toolchains are downloaded, and components of 18 MB are compiled by a debug build.
pub(super) const PATIENCE: Duration = Duration::from_mins(15);

/// With it, `.ci/run` does not accept that a toolchain is missing.
const REQUIRE: &str = "O365_REQUIRE_KITS";

/// A project whose component has been built, or what this machine lacks for that.
pub(super) type Made = Result<Project, String>;

pub(super) struct Project {
    pub(super) dir: PathBuf,
    /// Removes it.
    _home: tempfile::TempDir,
}

impl Project {
    /// Writes one by the name of `my-mapping`.
    pub(super) async fn new(language: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (code, _, log) = wasm(home.path(), &["new", "--lang", language, "my-mapping"]).await;
        assert_eq!(code, Some(0), "{log}");
        let dir = home.path().join("my-mapping");
        Self { dir, _home: home }
    }

    pub(super) fn component(&self) -> PathBuf {
        self.dir.join("my-mapping.wasm")
    }

    /// Runs one of the commands that the README names. Its output.
    pub(super) async fn run(&self, line: &str) -> Result<String, String> {
        run(&self.dir, line).await
    }

    /// The component runs without any grants, and passes the fixtures of the project.
    pub(super) async fn does_what_it_should(&self) {
        let inspect = ["wasm", "inspect", "my-mapping.wasm"];
        let inspected = output_within(PATIENCE, host(&self.dir).args(inspect)).await;
        let told = String::from_utf8_lossy(&inspected.stdout);
        assert_eq!(inspected.status.code(), Some(0), "{told}{}", stderr(&inspected));
        for part in [
            "implements     o365:transform 1.0.0",
            "name           my-mapping",
            "description    Maps Office 365 audit records",
            "output schema  ecs-8.11",
        ] {
            assert!(told.contains(part), "no {part:?} in {told}");
        }
        assert!(!told.contains("wasi"), "{told}");
        let test = ["test", "--config", "pipeline.yaml", "--fixtures", "fixtures"];
        let tested = output_within(PATIENCE, host(&self.dir).args(test)).await;
        let told = String::from_utf8_lossy(&tested.stdout);
        assert_eq!(tested.status.code(), Some(0), "{told}{}", stderr(&tested));
        assert!(
            told.contains("3 event(s) in 1 file(s): 3 as expected, 0 not"),
            "{told}"
        );
    }
}

/// Runs a command in a folder. Its output, or why it failed.
async fn run(dir: &Path, line: &str) -> Result<String, String> {
    let mut words = line.split(' ');
    let program = words.next().unwrap();
    let mut command = Command::new(program);
    command.current_dir(dir).args(words).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let ended = ended
        .map_err(|_| format!("`{line}` takes too long"))?
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let told = String::from_utf8_lossy(&ended.stdout).into_owned() + &stderr(&ended);
    if ended.status.success() {
        Ok(told)
    } else {
        Err(format!("`{line}` failed:\n{told}"))
    }
}

/// Says aloud what this machine lacks, or fails where nothing may be missing.
pub(super) fn skip(reason: &str) {
    assert!(
        std::env::var_os(REQUIRE).is_none(),
        "{REQUIRE} is set, and {reason}"
    );
    eprintln!("\n!!! SKIPPED: {reason}\n");
}
