//! Another component takes over.

use super::*;
use crate::wasm::{Refused, Swap, guests::tagging};

/// A transform whose file is `guest.wasm`, and its slot.
pub(super) async fn swappable(
    lab: &Lab,
    first: &[u8],
    change: impl FnOnce(&mut WasmConfig),
) -> (Transform, Arc<crate::wasm::Slot>) {
    let mut config = lab.config(first);
    change(&mut config);
    let transform = config.build(&lab.context()).await.unwrap();
    (transform, config.slot.get().unwrap())
}

pub(super) fn put(lab: &Lab, bytes: &[u8]) {
    let path = lab.dir.path().join("guest.wasm");
    // As a deployment does it: never half a file.
    std::fs::write(path.with_extension("new"), bytes).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

/// What a transform that runs on makes of one event.
pub(super) fn mapped(transform: &mut dyn o365_core::SyncTransform) -> String {
    let mut outputs = TransformOutputs::new([]);
    let event = o365_core::LogEvent::untracked(Bytes::from_static(b"{\"n\":1}"));
    transform.transform_batch([event].into_iter().collect(), &mut outputs);
    let mut events = outputs.take_default().into_iter();
    let text = events.next().unwrap().to_bytes();
    String::from_utf8(text.to_vec()).unwrap()
}

#[tokio::test]
async fn another_component_takes_over_between_two_batches() {
    let lab = Lab::new();
    let (transform, slot) = swappable(&lab, &tagging('a'), |_| {}).await;
    let Transform::Synchronous(mut first) = transform else {
        unreachable!("it is synchronous")
    };
    let mut second = first.clone_box();
    assert_eq!(mapped(&mut *first), r#"{"tag":"a","n":1}"#);
    assert_eq!(slot.reload().unwrap(), Swap::Unchanged);
    let digest = slot.status().digest;

    put(&lab, &tagging('b'));
    assert_eq!(
        mapped(&mut *first),
        r#"{"tag":"a","n":1}"#,
        "nobody has asked for it"
    );
    let Swap::Done { from, to, .. } = slot.reload().unwrap() else {
        unreachable!("it is another one")
    };
    assert_eq!(from, digest);
    for worker in [&mut first, &mut second] {
        assert_eq!(mapped(&mut **worker), r#"{"tag":"b","n":1}"#);
    }

    assert!(matches!(slot.roll_back().unwrap(), Swap::Done { .. }));
    assert_eq!(mapped(&mut *first), r#"{"tag":"a","n":1}"#);
    assert!(
        matches!(slot.roll_back().unwrap(), Swap::Done { .. }),
        "and forth"
    );
    let status = slot.status();
    assert_eq!(
        (status.digest, status.previous, status.swapped),
        (to, Some(digest), 3)
    );
}

#[tokio::test]
async fn a_bad_component_is_refused_and_the_one_before_goes_on() {
    let lab = Lab::new();
    let (transform, slot) = swappable(&lab, &tagging('a'), |_| {}).await;
    let Transform::Synchronous(mut worker) = transform else {
        unreachable!("it is synchronous")
    };
    assert!(matches!(slot.roll_back(), Err(Refused::NoPrevious)));
    for bad in [
        &b"#!/bin/sh"[..],
        &wat::parse_str("(component)").unwrap(),
        &wat::parse_str("(module)").unwrap(),
    ] {
        put(&lab, bad);
        let refused = slot.reload().unwrap_err().to_string();
        assert_eq!(slot.status().refusal, Some(refused));
        assert_eq!(mapped(&mut *worker), r#"{"tag":"a","n":1}"#);
    }
    let status = slot.status();
    assert_eq!((status.swapped, status.refused), (0, 3));
    put(&lab, &tagging('b'));
    slot.reload().unwrap();
    assert_eq!(slot.status().refusal, None);
}

#[tokio::test]
async fn a_file_that_is_as_it_was_undoes_nothing() {
    let lab = Lab::new();
    let (transform, slot) = swappable(&lab, &tagging('a'), |_| {}).await;
    let Transform::Synchronous(mut worker) = transform else {
        unreachable!("it is synchronous")
    };
    put(&lab, &tagging('b'));
    assert!(matches!(slot.follow_file().unwrap(), Swap::Done { .. }));
    slot.roll_back().unwrap();
    assert_eq!(slot.follow_file().unwrap(), Swap::Unchanged);
    assert_eq!(mapped(&mut *worker), r#"{"tag":"a","n":1}"#);
    // Another one is taken, and so is the same when somebody asks for it.
    put(&lab, &tagging('c'));
    assert!(matches!(slot.follow_file().unwrap(), Swap::Done { .. }));
    assert_eq!(mapped(&mut *worker), r#"{"tag":"c","n":1}"#);
    slot.roll_back().unwrap();
    assert!(matches!(slot.reload().unwrap(), Swap::Done { .. }));
    assert_eq!(mapped(&mut *worker), r#"{"tag":"c","n":1}"#);
}

/// Fixtures that only a component passes that tags with `a`.
pub(super) fn with_canary(lab: &Lab) -> impl Fn(&mut WasmConfig) + use<> {
    let fixture = lab.dir.path().join("canary");
    std::fs::create_dir(&fixture).unwrap();
    std::fs::write(fixture.join("one.json"), r#"{"events":[{"n":1}]}"#).unwrap();
    std::fs::write(
        fixture.join("one.json-expected.json"),
        r#"{"expected":[{"n":1,"tag":"a"}]}"#,
    )
    .unwrap();
    |config: &mut WasmConfig| config.canary = Some("canary".into())
}

#[tokio::test]
async fn a_component_must_pass_its_canary_fixtures() {
    let lab = Lab::new();
    let with_canary = with_canary(&lab);
    let (_, slot) = swappable(&lab, &tagging('a'), &with_canary).await;

    put(&lab, &tagging('b'));
    let refused = slot.reload().unwrap_err().to_string();
    assert!(
        refused.contains(r#"one.json event 1: tag is "b", expected "a""#),
        "{refused}"
    );
    put(&lab, &guest("unreachable", "(i32.const 0)"));
    let refused = slot.reload().unwrap_err().to_string();
    assert!(refused.contains("0 outcomes for 1 events"), "{refused}");

    let mut config = lab.config(&tagging('b'));
    with_canary(&mut config);
    let problem = lab.problem(&config).await;
    assert!(
        problem.starts_with("canary: the component does not pass"),
        "{problem}"
    );
    config.canary = Some("nowhere".into());
    assert!(lab.problem(&config).await.contains("nowhere"));
}

#[tokio::test(start_paused = true)]
async fn a_watched_file_that_changes_takes_over() {
    let lab = Lab::new();
    let (_transform, slot) = swappable(&lab, &tagging('a'), |config| config.watch = true).await;
    let every = crate::wasm::LOOK_EVERY;
    let until = |done: fn(&crate::wasm::SlotStatus) -> bool| {
        let slot = Arc::clone(&slot);
        async move {
            while !done(&slot.status()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    let watching = crate::wasm::watch(|| vec![Arc::clone(&slot)], every);
    let work = async {
        // Files are told apart by their length here: the file system's clock may be too coarse for a test.
        put(&lab, b"broken");
        until(|status| status.refused == 1).await;
        tokio::time::sleep(every * 5).await;
        assert_eq!(slot.status().refused, 1, "it is read once");
        std::fs::remove_file(lab.dir.path().join("guest.wasm")).unwrap();
        tokio::time::sleep(every * 5).await;
        put(&lab, &guest("nop", "(local.get $count)"));
        until(|status| status.swapped == 1).await;
        assert_eq!(slot.status().refused, 1);
    };
    tokio::select! {
        never = watching => match never {},
        done = tokio::time::timeout(Duration::from_mins(1), work) => done.unwrap(),
    }
}

#[tokio::test]
async fn what_is_built_in_is_not_watched() {
    let lab = Lab::new();
    let config = WasmConfig {
        watch: true,
        ..WasmConfig::new("builtin:ecs", json!({}))
    };
    assert_eq!(
        lab.problem(&config).await,
        "watch: there is no file to watch: the component is built in | leave `watch` out, or name a file as `module`"
    );
}
