//! A project in JavaScript.

use super::project::{Made, Project, skip};
use crate::support::{host, output_with_input, stderr};

/// With the commands of its README.
pub(super) async fn make() -> Made {
    let project = Project::new("js").await;
    project.run("npm install --no-audit --no-fund").await?;
    // From here on nothing depends on the machine.
    let told = project.run("npm test").await.unwrap();
    assert!(
        told.contains("every fixture becomes what is expected") && told.contains("fail 0"),
        "{told}"
    );
    project.run("npm run build").await.unwrap();
    Ok(project)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "downloads a toolchain and compiles 24 MB of WebAssembly; .ci/run does it"]
async fn a_new_project_is_complete() {
    let project = match make().await {
        Ok(project) => project,
        Err(reason) => return skip(&reason),
    };
    project.does_what_it_should().await;
    with_everything_that_its_engine_has(&project).await;
}

/// The build of the README leaves out what the engine imports of WASI. With all of it, and a mapping that uses it.
async fn with_everything_that_its_engine_has(project: &Project) {
    let mapping = r#"
        const encoder = new TextEncoder();
        export const mapper = {
          describe() { return { name: "talks", version: "0.1.0", description: "", outputSchema: "" }; },
          configure() { console.error("it is configured"); },
          transformBatch(_context, events) {
            return events.map(() => {
              const found = { now: Date.now(), random: Math.random() };
              return { tag: "emit", val: encoder.encode(JSON.stringify(found)) };
            });
          },
        };"#;
    std::fs::write(project.dir.join("talks.js"), mapping).unwrap();
    let build = "node_modules/.bin/componentize-js talks.js --wit wit/transform.wit --world-name transform --out talks.wasm";
    project.run(build).await.unwrap();
    let run = async |grants: &[&str]| {
        let mut command = host(&project.dir);
        command.args(["transform", "--wasm", "talks.wasm"]).args(grants);
        output_with_input(&mut command, b"{}\n".to_vec()).await
    };

    let refused = run(&[]).await;
    let log = stderr(&refused);
    assert_eq!(refused.status.code(), Some(78), "{log}");
    assert!(
        log.contains("parts of WASI that are not granted to it") && log.contains("`wasi: {}`"),
        "{log}"
    );

    let poor = [run(&["--wasi"]).await, run(&["--wasi"]).await];
    for ended in &poor {
        let log = stderr(ended);
        assert_eq!(ended.status.code(), Some(0), "{log}");
        assert!(!log.contains("it is configured"), "{log}");
        let told = String::from_utf8_lossy(&ended.stdout);
        assert!(told.contains("\"now\":0,"), "the clock moves: {told}");
    }
    assert_eq!(poor[0].stdout, poor[1].stdout, "the same at every start");

    let rich = run(&["--wasi=clocks,random,stderr"]).await;
    let log = stderr(&rich);
    assert_eq!(rich.status.code(), Some(0), "{log}");
    assert!(log.contains("component: it is configured"), "{log}");
    assert!(!String::from_utf8_lossy(&rich.stdout).contains("\"now\":0,"));
}
