//! A project in Python.

use super::project::{Made, Project, skip};
use crate::support::{host, output_with_input, stderr};

/// With the commands of its README.
pub(super) async fn make() -> Made {
    let project = Project::new("python").await;
    project.run("python3 -m venv .venv").await?;
    project
        .run(".venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt")
        .await?;
    // From here on nothing depends on the machine.
    let told = project.run("python3 -m unittest --verbose").await.unwrap();
    assert!(
        told.contains("test_every_fixture_becomes_what_is_expected") && told.ends_with("OK\n"),
        "{told}"
    );
    project.run("sh build.sh").await.unwrap();
    Ok(project)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads a toolchain and compiles 36 MB of WebAssembly; .ci/run does it"]
async fn a_new_project_is_complete() {
    let project = match make().await {
        Ok(project) => project,
        Err(reason) => return skip(&reason),
    };
    project.does_what_it_should().await;
    with_everything_that_python_has(&project).await;
}

/// The build of the README replaces what Python imports of WASI by traps. Without that, and with a mapping that uses it.
async fn with_everything_that_python_has(project: &Project) {
    let mapping = r#"
import json, socket, sys, time
from wit_world import exports
from wit_world.exports.mapper import Metadata, Outcome_Emit

class Mapper(exports.Mapper):
    def describe(self):
        return Metadata("talks", "0.1.0", "", "")
    def configure(self, options):
        print("it is configured", file=sys.stderr)
    def transform_batch(self, context, events):
        return [Outcome_Emit(json.dumps(one(json.loads(event))).encode()) for event in events]

def one(event):
    if event.get("open"):
        return {"read": open(event["open"]).read()}
    if event.get("connect"):
        socket.create_connection((event["connect"], 80))
        return {"connected": True}
    return {"now": time.time()}
"#;
    std::fs::write(project.dir.join("talks.py"), mapping).unwrap();
    let build = ".venv/bin/componentize-py -d wit -w transform componentize talks -o talks.wasm";
    project.run(build).await.unwrap();
    let events = concat!(
        "{\"a\":1}\n",
        "{\"open\":\"/etc/hostname\"}\n",
        "{\"open\":\"pipeline.yaml\"}\n",
        "{\"connect\":\"127.0.0.1\"}\n",
        "{\"a\":2}\n"
    );
    let mut command = host(&project.dir);
    command.args(["transform", "--wasm", "talks.wasm", "--wasi=clocks,random,stderr"]);
    let ended = output_with_input(&mut command, events.into()).await;
    let log = stderr(&ended);
    assert_eq!(ended.status.code(), Some(1), "{log}");
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(told.matches("\"now\": 1").count(), 2, "{told}{log}");
    assert_eq!(told.lines().count(), 2, "no file and no network: {told}");
    assert!(log.contains("component: it is configured"), "{log}");
    assert!(log.contains("3 event(s) could not be transformed"), "{log}");
}
