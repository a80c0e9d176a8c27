//! `run --once` ends when everything is delivered, repeats nothing, and tells no secret.

use o365_simulator::SimulatorConfig;

use crate::support::{Lab, output, stderr};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_delivered_exactly_once_and_a_second_run_finds_nothing() {
    let lab = Lab::new(SimulatorConfig::demo(3, 2, 500), FILE).await;
    let first = output(
        lab.run(&["--once", "--log-level", "trace"])
            .env("RUST_BACKTRACE", "1"),
    )
    .await;
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let delivered = lab.delivered("out.ndjson");
    assert_eq!(
        delivered
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>(),
        lab.existing()
    );
    assert!(
        delivered.values().all(|count| *count == 1),
        "an event was repeated"
    );

    let second = output(&mut lab.run(&["--once"])).await;
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    assert_eq!(lab.delivered("out.ndjson"), delivered);

    let report = lab.simulator.handle().report();
    assert!(
        report.stops.is_empty() && report.forbidden.is_empty(),
        "{report:?}"
    );
    assert!(
        report.without_publisher.values().all(|count| *count == 0),
        "{report:?}"
    );

    let told = [stderr(&first), stderr(&second)].concat();
    assert!(!told.contains(lab.secret()), "the log has the client secret");
    assert!(!told.contains("eyJ"), "the log has an access token");
    for entry in walk(lab.dir.path()) {
        let content = std::fs::read(&entry).unwrap();
        let has = |text: &str| {
            content
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        assert!(
            !has(lab.secret()) && !has("Bearer "),
            "{} has a secret",
            entry.display()
        );
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fan_out_delivers_to_every_sink() {
    let sinks = "  a: { type: file, inputs: [ecs], path: a.ndjson }\n  \
                 b: { type: file, inputs: [o365], path: b.ndjson }\n  c: { type: blackhole, inputs: [ecs] }";
    let lab = Lab::new(SimulatorConfig::demo(4, 1, 200), sinks).await;
    let run = output(&mut lab.run(&["--once"])).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    assert_eq!(lab.delivered("a.ndjson").len(), 200);
    let raw = std::fs::read_to_string(lab.path("b.ndjson")).unwrap();
    assert_eq!(
        raw.lines().filter(|line| line.contains("\"RecordType\"")).count(),
        200
    );
}
