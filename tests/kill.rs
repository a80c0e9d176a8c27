//! Killed at any moment and started again, the pipeline ends with every event present.

use o365_simulator::SimulatorConfig;

use crate::support::{Lab, output, stderr, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_ends_with_every_event() {
    let lab = Lab::new(
        SimulatorConfig::demo(5, 2, 3_000),
        "  out: { type: file, inputs: [ecs], path: out.ndjson }",
    )
    .await;
    let size = || std::fs::metadata(lab.path("out.ndjson")).map_or(0, |metadata| metadata.len());
    let requests = || lab.simulator.handle().report().requests.values().sum::<u64>();

    // Before anything is delivered, then while ever more has been.
    let mut kills = 0;
    for step in 0..6_u64 {
        let mut child = lab.run(&["--once"]).spawn().unwrap();
        let (size_before, requests_before) = (size(), requests());
        let moved = || {
            if step < 2 {
                requests() > requests_before + step * 10
            } else {
                size() > size_before + step * 20_000
            }
        };
        let mut ended = false;
        wait_for(
            || {
                ended = child.try_wait().unwrap().is_some();
                ended || moved()
            },
            || format!("step {step}"),
        )
        .await;
        if !ended {
            child.start_kill().unwrap();
            kills += 1;
        }
        child.wait().await.unwrap();
    }
    assert!(
        kills >= 3,
        "the program ended before it could be killed: {kills} kills"
    );

    let last = output(&mut lab.run(&["--once"])).await;
    assert_eq!(last.status.code(), Some(0), "{}", stderr(&last));
    let delivered = lab.delivered("out.ndjson");
    let missing: Vec<_> = lab
        .existing()
        .into_iter()
        .filter(|id| !delivered.contains_key(id))
        .collect();
    assert!(missing.is_empty(), "{} events are missing", missing.len());
}
