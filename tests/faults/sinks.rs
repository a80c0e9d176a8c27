//! A sink that is down for a while. It ends the run, says why, and nothing that it did not take counts as delivered.

use std::path::Path;

use o365_simulator::SimulatorConfig;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::support::{Lab, PATIENCE, output, stderr};

/// Runs with a sink that `down` has broken, and again after `up` has mended it.
async fn goes_down(sink: &str, file: &str, told: &str, down: fn(&Path), up: fn(&Path)) {
    let lab = Lab::new(SimulatorConfig::demo(23, 3, 300), sink).await;
    down(lab.dir.path());
    // Twice: the second run must not take for delivered what the first one has fetched.
    for _ in 0..2 {
        let run = output(&mut lab.run(&["--once"])).await;
        let log = stderr(&run);
        assert_eq!(run.status.code(), Some(1), "{told}: {log}");
        assert!(log.contains("out") && log.contains(told), "no {told:?}: {log}");
    }
    up(lab.dir.path());
    let run = output(&mut lab.run(&["--once"])).await;
    assert_eq!(run.status.code(), Some(0), "{told}: {}", stderr(&run));
    let delivered = lab.delivered(file);
    assert!(delivered.values().all(|count| *count == 1), "{told}: twice");
    let delivered: std::collections::BTreeSet<_> = delivered.into_keys().collect();
    assert_eq!(delivered, lab.existing(), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_made_costs_nothing() {
    goes_down(
        "  out: { type: file, inputs: [ecs], path: folder/out.ndjson }",
        "folder/out.ndjson",
        "folder/out.ndjson",
        |dir| std::fs::write(dir.join("folder"), "in the way").unwrap(),
        |dir| std::fs::remove_file(dir.join("folder")).unwrap(),
    )
    .await;
}

/// It does not end the run: the sink waits until there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_nothing() {
    let sink = "  out: { type: file, inputs: [ecs], path: out.ndjson }";
    let lab = Lab::new(SimulatorConfig::demo(23, 3, 300), sink).await;
    std::os::unix::fs::symlink("/dev/full", lab.path("out.ndjson")).unwrap();
    let mut child = lab.run(&["--once"]).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("out.ndjson") && line.contains("there is no room for the events") {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(PATIENCE, waits).await.unwrap());
    std::fs::remove_file(lab.path("out.ndjson")).unwrap();
    let rest = async { while let Ok(Some(_)) = log.next_line().await {} };
    let (ended, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(child.wait(), rest) })
        .await
        .unwrap();
    assert_eq!(ended.unwrap().code(), Some(0));
    let delivered = lab.delivered("out.ndjson");
    assert!(delivered.values().all(|count| *count == 1), "twice");
    let delivered: std::collections::BTreeSet<_> = delivered.into_keys().collect();
    assert_eq!(delivered, lab.existing());
}
