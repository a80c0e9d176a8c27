//! `state`: the ledger answers whether anything is missing, names it, and can be told to try again or to forget.

use o365_simulator::{Action, FaultPlan, FaultRule, Operation, SimulatorConfig};

use crate::support::{Lab, lines, output, stderr};

const FILE: &str = "  out: { type: file, inputs: [ecs], path: out.ndjson }";

/// A lab whose first blob cannot be read; its id.
async fn poisoned() -> (Lab, String) {
    let lab = Lab::new(SimulatorConfig::demo(11, 1, 200), FILE).await;
    let bad = lab.simulator.handle().report().blobs[0].content_id.clone();
    lab.simulator.handle().set_faults(FaultPlan::new([FaultRule {
        content_id: Some(bad.clone()),
        ..FaultRule::new(Operation::FetchBlob, Action::EmptyBody)
    }]));
    (lab, bad)
}

async fn state(lab: &Lab, arguments: &[&str]) -> (Option<i32>, String, String) {
    let (name, rest) = arguments.split_first().unwrap();
    let output = output(lab.command(&["state", name], &[]).args(rest)).await;
    let told = stderr(&output);
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        told,
    )
}

async fn run_once(lab: &Lab) -> String {
    let run = output(&mut lab.run(&["--once"])).await;
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    stderr(&run)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_run_is_complete_up_to_a_time() {
    let lab = Lab::new(SimulatorConfig::demo(3, 2, 300), FILE).await;
    let (code, _, told) = state(&lab, &["show"]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("has not run"), "{told}");
    run_once(&lab).await;
    let (code, shown, told) = state(&lab, &["show", "--check", "--max-lag", "12h"]).await;
    assert_eq!(code, Some(0), "{shown}{told}");
    assert!(
        shown.lines().last().unwrap().starts_with("complete up to 20"),
        "{shown}"
    );
    assert!(
        shown.contains("contoso.example") && shown.contains("Audit.Exchange"),
        "{shown}"
    );
    let (_, json, _) = state(&lab, &["show", "--json", "--tenant", "contoso.example"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["complete"], true, "{json}");
    assert_eq!(json["feeds"].as_array().unwrap().len(), 5);
    // Everything up to now it is not: late blobs may come.
    let (code, ..) = state(&lab, &["show", "--max-lag", "1h"]).await;
    assert_eq!(code, Some(1));

    let (_, exported, _) = state(&lab, &["export"]).await;
    let exported = lines(exported.as_bytes());
    let of = |kind: &str| exported.iter().filter(|line| line["kind"] == kind).count();
    assert_eq!((of("feed"), of("gap")), (10, 0));
    assert_eq!(of("blob"), lab.simulator.handle().report().blobs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_cannot_be_had_is_named_kept_and_delivered_when_it_heals() {
    let (lab, bad) = poisoned().await;
    let log = run_once(&lab).await;
    let named = log
        .lines()
        .filter(|line| {
            line.contains(&bad)
                && ["lost", "skipped", "expired", "gave up"]
                    .iter()
                    .any(|word| line.contains(word))
        })
        .count();
    assert_eq!(named, 1, "{log}");
    let (code, shown, _) = state(&lab, &["show", "--check", "--blobs"]).await;
    assert_eq!(code, Some(1), "{shown}");
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with("missing: ") && last.contains(&bad), "{shown}");
    let folder = lab.path("data/o365/quarantine");
    let kept = || std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(kept(), 2);
    let before = lab.delivered("out.ndjson").len();

    lab.simulator.handle().set_faults(FaultPlan::new([]));
    let (code, _, told) = state(&lab, &["retry", "--content-id", "nonsense"]).await;
    assert_eq!(code, Some(1), "{told}");
    let (code, _, told) = state(&lab, &["retry", "--content-id", &bad]).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("1 blob(s) are due now"), "{told}");
    run_once(&lab).await;
    let delivered = lab.delivered("out.ndjson");
    assert!(delivered.len() > before && delivered.values().all(|count| *count == 1));
    assert_eq!(
        delivered
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>(),
        lab.existing()
    );
    assert_eq!(kept(), 0);
    let (code, shown, _) = state(&lab, &["show", "--check"]).await;
    assert_eq!(code, Some(0), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_source_notices_a_retry_and_refuses_a_reset() {
    let (lab, bad) = poisoned().await;
    run_once(&lab).await;
    let mut child = lab.run(&[]).spawn().unwrap();
    // The start tries once more what is set aside; only then does the retry tell anything.
    let handle = lab.simulator.handle();
    let requested = || {
        let report = handle.report();
        report
            .blobs
            .iter()
            .find(|blob| blob.content_id == bad)
            .unwrap()
            .requested
    };
    let tried = requested();
    crate::support::wait_for(|| requested() > tried, || "no try at the start".to_owned()).await;
    handle.set_faults(FaultPlan::new([]));
    let (code, _, told) = state(&lab, &["reset", "--yes"]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("in use by another process") && told.contains("ledger.lock"),
        "{told}"
    );
    let (code, _, told) = state(&lab, &["retry"]).await;
    assert_eq!(code, Some(0), "{told}");
    crate::support::wait_for(
        || {
            lab.delivered("out.ndjson")
                .keys()
                .cloned()
                .collect::<std::collections::BTreeSet<_>>()
                == lab.existing()
        },
        || "the blob is not delivered".to_owned(),
    )
    .await;
    crate::support::signal(&child, "TERM").await;
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_lists_again_and_delivers_nothing_twice() {
    let lab = Lab::new(SimulatorConfig::demo(5, 1, 200), FILE).await;
    run_once(&lab).await;
    let delivered = lab.delivered("out.ndjson");
    let (code, _, told) = state(&lab, &["reset"]).await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("--yes"), "{told}");
    let (code, _, told) = state(&lab, &["reset", "--yes"]).await;
    assert_eq!(code, Some(0), "{told}");
    let (_, shown, _) = state(&lab, &["show"]).await;
    assert!(shown.contains("was never listed"), "{shown}");
    run_once(&lab).await;
    assert_eq!(lab.delivered("out.ndjson"), delivered);
    let (_, shown, _) = state(&lab, &["show", "--json"]).await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let dropped: u64 = shown["feeds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feed| feed["duplicates_dropped"].as_u64().unwrap())
        .sum();
    assert_eq!(dropped, 200);

    let (code, ..) = state(&lab, &["reset", "--yes", "--forget-events"]).await;
    assert_eq!(code, Some(0));
    run_once(&lab).await;
    assert!(lab.delivered("out.ndjson").values().all(|count| *count == 2));
}
