//! `backfill`: a range again, exactly, also after an interruption and beside a collection that runs.

use std::{collections::BTreeMap, process::Stdio};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use o365_simulator::{Action, FaultPlan, FaultRule, Operation, SimulatorConfig};

use crate::support::{Lab, PATIENCE, now, output, output_within, signal, stderr, terminate, wait_for};

const SINK: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A range in the middle of what the simulator has, and the events in it.
struct Range {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    expected: BTreeMap<String, usize>,
}

impl Range {
    fn of(lab: &Lab) -> Self {
        let (from, to) = (now() - TimeDelta::hours(30), now() - TimeDelta::hours(12));
        let handle = lab.simulator.handle();
        let mut expected = BTreeMap::new();
        let (mut outside, mut blobs) = (0, 0);
        // Bounds are written in whole seconds.
        let second = |time: DateTime<Utc>| time.timestamp();
        for blob in handle.report().blobs {
            if second(blob.created) < second(from) || second(blob.created) >= second(to) {
                outside += 1;
                continue;
            }
            blobs += 1;
            let events = handle
                .events_of(&blob.tenant, blob.content_type, &blob.content_id)
                .unwrap();
            for event in events {
                let event: serde_json::Value = serde_json::from_str(&event).unwrap();
                expected.insert(event["Id"].as_str().unwrap().to_owned(), 1);
            }
        }
        assert!(outside > 5 && blobs > 5, "{blobs} blobs, {outside} outside");
        Self { from, to, expected }
    }

    fn arguments(&self) -> [String; 4] {
        [
            "--from".to_owned(),
            text(self.from),
            "--to".to_owned(),
            text(self.to),
        ]
    }
}

async fn lab() -> Lab {
    let mut simulated = SimulatorConfig::demo(8, 2, 1_500);
    simulated.events_per_blob = 10;
    simulated.duplicate_percent = 10;
    simulated.subscribed = true;
    Lab::new(simulated, SINK).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_delivered_exactly_and_once() {
    let lab = lab().await;
    let range = Range::of(&lab);
    let backfill = || lab.command(&["backfill"], &range.arguments());
    let first = output(&mut backfill()).await;
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(
        stderr(&first).contains("the range is complete"),
        "{}",
        stderr(&first)
    );
    assert_eq!(lab.delivered("out.ndjson"), range.expected);

    let second = output(&mut backfill()).await;
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    assert!(stderr(&second).contains("fetched already"), "{}", stderr(&second));
    assert_eq!(lab.delivered("out.ndjson"), range.expected);

    let again = output(backfill().arg("--again")).await;
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    let twice = range.expected.keys().map(|id| (id.clone(), 2)).collect();
    assert_eq!(lab.delivered("out.ndjson"), twice);
    // The collection knows nothing of it.
    assert!(!lab.path("data/o365/ledger.sqlite").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_one_goes_on_and_repeats_nothing() {
    let lab = lab().await;
    let range = Range::of(&lab);
    // A dozen requests at once, then two a second, of the fifty that it takes: there is time to interrupt it.
    let slow = |rate: &str| {
        let mut arguments = range.arguments().to_vec();
        arguments.extend(["--requests-per-minute".to_owned(), rate.to_owned()]);
        lab.command(&["backfill"], &arguments)
    };
    let mut child = slow("120").stderr(Stdio::piped()).spawn().unwrap();
    wait_for(
        || !lab.delivered("out.ndjson").is_empty(),
        || "nothing is written".to_owned(),
    )
    .await;
    signal(&child, "TERM").await;
    let interrupted = tokio::time::timeout(PATIENCE, async {
        let status = child.wait().await.unwrap();
        let mut log = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut child.stderr.take().unwrap(), &mut log)
            .await
            .unwrap();
        (status, log)
    })
    .await
    .expect("it does not end");
    assert_eq!(interrupted.0.code(), Some(1), "{}", interrupted.1);
    assert!(interrupted.1.contains("goes on"), "{}", interrupted.1);
    let part = lab.delivered("out.ndjson");
    assert!(part.len() < range.expected.len(), "it was not interrupted");

    let rest = output(&mut slow("60000")).await;
    assert_eq!(rest.status.code(), Some(0), "{}", stderr(&rest));
    assert_eq!(lab.delivered("out.ndjson"), range.expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_collection_both_write_whole_lines_to_the_same_file() {
    let lab = lab().await;
    let range = Range::of(&lab);
    let existing = lab.existing();
    let mut collection = lab.run(&[]).stderr(Stdio::null()).spawn().unwrap();
    // The file is open, and not all is delivered.
    wait_for(
        || !lab.delivered("out.ndjson").is_empty(),
        || "nothing is written".to_owned(),
    )
    .await;
    // It waits for the collection to make room: longer than a minute.
    let mut backfill = lab.command(&["backfill"], &range.arguments());
    let backfill = output_within(2 * PATIENCE, &mut backfill).await;
    assert_eq!(backfill.status.code(), Some(0), "{}", stderr(&backfill));
    let complete = || {
        let delivered = lab.delivered("out.ndjson");
        existing
            .iter()
            .all(|id| delivered.get(id) == Some(&(1 + range.expected.get(id).copied().unwrap_or_default())))
    };
    wait_for(complete, || {
        "not everything is there as often as it should be".to_owned()
    })
    .await;
    assert_eq!(terminate(&mut collection).await, Some(0));
    assert!(complete());
    let report = lab.simulator.handle().report();
    assert!(report.forbidden.is_empty(), "{:?}", report.forbidden.first());
}

/// A backfill has a ledger of its own, and what that does not know is not its to tidy up.
#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_what_the_collection_has_set_aside() {
    let lab = lab().await;
    let range = Range::of(&lab);
    let blobs = lab.simulator.handle().report().blobs;
    let bad = blobs.iter().min_by_key(|blob| blob.created).unwrap();
    assert!(bad.created < range.from, "the backfill must not meet it");
    lab.simulator.handle().set_faults(FaultPlan::new([FaultRule {
        content_id: Some(bad.content_id.clone()),
        ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
    }]));
    let collection = output(&mut lab.run(&["--once"])).await;
    assert_eq!(collection.status.code(), Some(0), "{}", stderr(&collection));
    let folder = lab.path("data/o365/quarantine");
    let kept = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(kept(), 2);
    let backfill = output(&mut lab.command(&["backfill"], &range.arguments())).await;
    assert_eq!(backfill.status.code(), Some(0), "{}", stderr(&backfill));
    assert_eq!(kept(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_no_subscription() {
    let mut simulated = SimulatorConfig::demo(8, 1, 100);
    simulated.subscribed = false;
    let lab = Lab::new(simulated, SINK).await;
    let ended = output(&mut lab.command(&["backfill", "--from", "-24h", "--to", "now"], &[])).await;
    assert_eq!(ended.status.code(), Some(1), "{}", stderr(&ended));
    assert!(
        stderr(&ended).contains("run the collection first"),
        "{}",
        stderr(&ended)
    );
    assert_eq!(lab.simulator.handle().report().starts.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_tenants_and_types_that_were_named() {
    let lab = lab().await;
    let report = lab.simulator.handle().report();
    let tenant = report.blobs[0].tenant.clone();
    let arguments = [
        "backfill",
        "--from=-47h",
        "--to=now",
        "--content-type",
        "audit.exchange",
    ];
    let ended = output(&mut lab.command(&arguments, &["--tenant".to_owned(), tenant.clone()])).await;
    assert_eq!(ended.status.code(), Some(0), "{}", stderr(&ended));
    let report = lab.simulator.handle().report();
    assert!(!report.windows.is_empty());
    for window in report.windows {
        assert_eq!(
            (window.tenant.as_str(), window.content_type.as_str()),
            (tenant.as_str(), "Audit.Exchange")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_before_anything_runs() {
    let lab = lab().await;
    for (arguments, code, message) in [
        (
            vec!["--from=-9d", "--to=now"],
            2,
            "lists only what is not older than",
        ),
        (vec!["--from=-1h", "--to=-2h"], 2, "the range is empty"),
        (vec!["--from=-1h", "--to=2999-01-01"], 2, "but it is only"),
        (vec!["--from=yesterday", "--to=now"], 2, "an age (-24h)"),
        (
            vec!["--from=-1h", "--to=now", "--tenant=nobody"],
            2,
            "the source has no tenant `nobody`",
        ),
        (
            vec!["--from=-1h", "--to=now", "--content-type=x"],
            2,
            "does not collect `x`",
        ),
        (vec!["--from=-1h", "--to=now", "--source=x"], 2, "there is o365"),
        (
            vec!["--from=-1h", "--to=now", "--config=none.yaml"],
            78,
            "cannot be read",
        ),
    ] {
        let mut command = crate::support::host(lab.dir.path());
        command
            .arg("backfill")
            .args(&arguments)
            .env("SECRET", lab.secret());
        if code != 78 {
            command.args(["--config", "pipeline.yaml"]);
        }
        let ended = output(&mut command).await;
        assert_eq!(
            ended.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&ended)
        );
        // Long messages are wrapped.
        let log = stderr(&ended).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(log.contains(message), "{arguments:?}: {log}");
    }
    assert_eq!(lab.simulator.handle().request_count(), 0);
}
