//! A candidate beside the running component.

use o365_core::SyncTransform;

use super::{
    swap::{mapped, swappable, with_canary},
    *,
};
use crate::wasm::{Refused, ShadowConfig, ShadowStatus, Slot, Swap, guests::tagging};

fn candidate(lab: &Lab, bytes: &[u8]) -> ShadowConfig {
    std::fs::write(lab.dir.path().join("candidate.wasm"), bytes).unwrap();
    ShadowConfig {
        module: "candidate.wasm".to_owned(),
        options: None,
        sample: 1.0,
        report: Some("diff.ndjson".into()),
    }
}

async fn shadowed(lab: &Lab, bytes: &[u8], sample: f64) -> (Box<dyn SyncTransform>, Arc<Slot>) {
    let shadow = ShadowConfig {
        sample,
        ..candidate(lab, bytes)
    };
    let (transform, slot) = swappable(lab, &tagging('a'), |config| config.shadow = Some(shadow)).await;
    let Transform::Synchronous(worker) = transform else {
        unreachable!("it is synchronous")
    };
    (worker, slot)
}

/// Waits for the candidate's thread.
async fn until(slot: &Slot, done: impl Fn(&ShadowStatus) -> bool) -> ShadowStatus {
    let waiting = async {
        loop {
            let status = slot.shadow_status().unwrap();
            if done(&status) {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_candidate_is_compared_field_by_field_and_delivers_nothing() {
    let lab = Lab::new();
    let (mut worker, slot) = shadowed(&lab, &tagging('b'), 1.0).await;
    for event in 1..=3 {
        assert_eq!(mapped(&mut *worker), r#"{"tag":"a","n":1}"#);
        // One at a time, so that none is left out.
        until(&slot, |status| status.compared == event).await;
    }
    let status = slot.shadow_status().unwrap();
    assert_eq!((status.different, status.failed, status.skipped), (3, 0, 0));
    assert_eq!(
        status.fields.into_iter().collect::<Vec<_>>(),
        [("tag".to_owned(), 3)]
    );
    drop(worker);
    let report = lab.dir.path().join("diff.ndjson");
    let text = std::fs::read_to_string(&report).unwrap();
    assert_eq!(text.lines().count(), 3);
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        line,
        json!({
            "transform": "ecs (shadow)",
            "differences": [{ "field": "tag", "running": "a", "candidate": "b" }],
        })
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(report).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[tokio::test]
async fn what_is_counted_is_in_the_report() {
    let lab = Lab::new();
    let (mut worker, slot) = shadowed(&lab, &tagging('b'), 1.0).await;
    // Events of one origin are mapped in one call.
    let event = o365_core::LogEvent::untracked(Bytes::from_static(b"{\"n\":1}"));
    for call in 1..=20 {
        let batch = std::iter::repeat_n(event.clone(), 100).collect();
        worker.transform_batch(batch, &mut TransformOutputs::new([]));
        // Whatever the moment: a reader of the numbers finds the lines.
        let status = until(&slot, |status| status.compared > (call - 1) * 100).await;
        let text = std::fs::read_to_string(lab.dir.path().join("diff.ndjson")).unwrap();
        assert!(text.lines().count() as u64 >= status.different, "{status:?}");
        until(&slot, |status| status.compared == call * 100).await;
    }
}

#[tokio::test]
async fn a_candidate_that_is_the_same_does_not_differ() {
    let lab = Lab::new();
    let (mut worker, slot) = shadowed(&lab, &tagging('a'), 1.0).await;
    mapped(&mut *worker);
    let status = until(&slot, |status| status.compared == 1).await;
    assert_eq!((status.different, status.failed), (0, 0));
}

#[tokio::test]
async fn a_candidate_that_fails_costs_nobody_anything() {
    for bad in [
        guest("unreachable", "(i32.const 0)"),
        guest("nop", "(i32.const 7)"),
    ] {
        let lab = Lab::new();
        let (mut worker, slot) = shadowed(&lab, &bad, 1.0).await;
        assert_eq!(mapped(&mut *worker), r#"{"tag":"a","n":1}"#);
        let status = until(&slot, |status| status.compared == 1).await;
        assert_eq!((status.different, status.failed), (1, 1));
        assert!(status.fields.contains_key("(failed)"), "{status:?}");
    }
}

#[tokio::test]
async fn a_slow_candidate_is_not_waited_for() {
    let lab = Lab::new();
    // It takes its whole deadline, 200 ms, for every event.
    let endless = guest("nop", "(loop $l (result i32) (br $l))");
    let (mut worker, slot) = shadowed(&lab, &endless, 1.0).await;
    let began = std::time::Instant::now();
    for _ in 0..50 {
        mapped(&mut *worker);
    }
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    // What waits, what runs, and what came to its deadline meanwhile.
    let seen = 10 + elapsed.as_millis() / 200;
    let status = until(&slot, |status| status.compared + status.skipped >= 48).await;
    assert!(u128::from(50 - status.skipped) <= seen, "{elapsed:?} {status:?}");
}

#[tokio::test]
async fn a_part_of_the_calls_is_compared() {
    let lab = Lab::new();
    let (mut worker, slot) = shadowed(&lab, &tagging('b'), 0.25).await;
    for call in 1..=20_u64 {
        mapped(&mut *worker);
        until(&slot, |status| status.compared == call / 4).await;
    }
    assert_eq!(slot.shadow_status().unwrap().skipped, 0);
}

#[tokio::test]
async fn a_candidate_takes_over_when_it_is_told_to() {
    let lab = Lab::new();
    let (mut worker, slot) = shadowed(&lab, &tagging('b'), 1.0).await;
    mapped(&mut *worker);
    until(&slot, |status| status.compared == 1).await;
    assert!(matches!(slot.promote().unwrap(), Swap::Done { .. }));
    assert_eq!(mapped(&mut *worker), r#"{"tag":"b","n":1}"#);
    assert_eq!(slot.promote().unwrap(), Swap::Unchanged);
    assert_eq!(
        slot.shadow_status().unwrap().compared,
        1,
        "there is nothing to compare any more"
    );
    slot.roll_back().unwrap();
    assert_eq!(mapped(&mut *worker), r#"{"tag":"a","n":1}"#);

    let (_transform, alone) = swappable(&lab, &tagging('a'), |_| {}).await;
    assert!(matches!(alone.promote(), Err(Refused::NoCandidate)));
}

#[tokio::test]
async fn a_candidate_must_pass_the_canary_fixtures_to_take_over() {
    let lab = Lab::new();
    let shadow = candidate(&lab, &tagging('b'));
    let with_canary = with_canary(&lab);
    let (transform, slot) = swappable(&lab, &tagging('a'), |config| {
        with_canary(config);
        config.shadow = Some(shadow);
    })
    .await;
    let Transform::Synchronous(mut worker) = transform else {
        unreachable!("it is synchronous")
    };
    let refused = slot.promote().unwrap_err();
    assert!(matches!(refused, Refused::Canary(_)), "{refused}");
    let status = slot.status();
    assert_eq!((status.swapped, status.refused), (0, 1));
    assert_eq!(status.refusal, Some(refused.to_string()));
    // It is compared as before.
    assert_eq!(mapped(&mut *worker), r#"{"tag":"a","n":1}"#);
    until(&slot, |status| status.compared == 1).await;
}

#[tokio::test]
async fn a_candidate_may_differ_only_in_its_options() {
    let lab = Lab::new();
    let tags = |tag: &str| json!({ "tags": [tag] });
    let shadow = ShadowConfig {
        module: "builtin:ecs".to_owned(),
        options: Some(tags("new")),
        sample: 1.0,
        report: None,
    };
    let (transform, slot) = swappable(&lab, &tagging('a'), |config| {
        "builtin:ecs".clone_into(&mut config.module);
        config.options = tags("old");
        config.deadline = Some(Duration::from_mins(1));
        config.shadow = Some(shadow);
    })
    .await;
    let Transform::Synchronous(mut worker) = transform else {
        unreachable!("it is synchronous")
    };
    assert!(mapped(&mut *worker).contains(r#""tags":["old"]"#));
    assert!(matches!(slot.promote().unwrap(), Swap::Done { .. }));
    assert!(mapped(&mut *worker).contains(r#""tags":["new"]"#));
    slot.roll_back().unwrap();
    assert!(mapped(&mut *worker).contains(r#""tags":["old"]"#));
}

#[tokio::test]
async fn says_what_is_wrong_with_a_shadow() {
    let lab = Lab::new();
    let mut config = lab.config(&tagging('a'));
    for sample in [0.0, -1.0, 1.1, f64::NAN] {
        config.shadow = Some(ShadowConfig {
            sample,
            ..candidate(&lab, &tagging('b'))
        });
        assert!(
            lab.problem(&config).await.starts_with("shadow.sample: "),
            "{sample}"
        );
    }
    config.shadow = Some(candidate(&lab, b"nothing"));
    let problem = lab.problem(&config).await;
    assert!(
        problem.starts_with("shadow: the candidate of the shadow run: `candidate.wasm` is not"),
        "{problem}"
    );
    config.shadow = Some(ShadowConfig {
        report: Some("no/such/folder/diff.ndjson".into()),
        ..candidate(&lab, &tagging('b'))
    });
    assert!(
        lab.problem(&config)
            .await
            .contains("no/such/folder/diff.ndjson cannot be written")
    );
}

#[tokio::test]
async fn the_end_of_a_run_waits_for_what_is_still_compared() {
    let lab = Lab::new();
    let (mut worker, slot) = shadowed(&lab, &tagging('b'), 1.0).await;
    mapped(&mut *worker);
    mapped(&mut *worker);
    slot.finish();
    let status = slot.shadow_status().unwrap();
    assert_eq!((status.compared, status.different, status.skipped), (2, 2, 0));
    let text = std::fs::read_to_string(lab.dir.path().join("diff.ndjson")).unwrap();
    assert_eq!(text.lines().count(), 2);
    // What comes later is left out, and said so.
    mapped(&mut *worker);
    assert_eq!(slot.shadow_status().unwrap().skipped, 1);
}
