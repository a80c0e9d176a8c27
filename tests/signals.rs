//! The first signal drains and ends with 0; the second ends at once.

use std::process::Stdio;

use o365_simulator::SimulatorConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::support::{Lab, PATIENCE, signal, terminate, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_exits_with_0() {
    let lab = Lab::new(
        SimulatorConfig::demo(6, 1, 200),
        "  out: { type: file, inputs: [ecs], path: out.ndjson }",
    )
    .await;
    let mut child = lab.run(&[]).stderr(Stdio::null()).spawn().unwrap();
    wait_for(
        || lab.delivered("out.ndjson").len() == 200,
        || format!("{} of 200", lab.delivered("out.ndjson").len()),
    )
    .await;
    assert_eq!(terminate(&mut child).await, Some(0));
    assert!(lab.delivered("out.ndjson").values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_exits_at_once() {
    // Nobody reads what the console sink writes, so the pipeline cannot drain.
    let lab = Lab::new(
        SimulatorConfig::demo(6, 1, 2_000),
        "  out: { type: console, inputs: [ecs] }",
    )
    .await;
    let mut child = lab.run(&[]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut byte = [0];
    stdout.read_exact(&mut byte).await.unwrap();
    // More than a pipe holds is on its way: what little would fit into it could still be drained.
    let fetched = || {
        lab.simulator
            .handle()
            .report()
            .blobs
            .iter()
            .filter(|blob| blob.fetched > 0)
            .count()
    };
    wait_for(|| fetched() >= 20, || format!("{} blobs are fetched", fetched())).await;

    signal(&child, "TERM").await;
    let draining = async {
        while let Some(line) = log.next_line().await.unwrap() {
            if line.contains("draining the pipeline") {
                return true;
            }
        }
        false
    };
    assert!(
        tokio::time::timeout(PATIENCE, draining).await.unwrap(),
        "it ended at the first signal"
    );
    assert_eq!(terminate(&mut child).await, Some(143));
}
