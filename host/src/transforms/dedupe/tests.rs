use o365_core::{EventStatus, ManualClock, config::Services, testing::tracked_batch};
use serde_json::{Value as Json, json};

use super::*;

fn config(options: Json) -> DedupeConfig {
    serde_json::from_value(options).unwrap()
}

fn context(clock: &ManualClock) -> ComponentContext {
    ComponentContext {
        key: "once".into(),
        data_dir: ".".into(),
        config_dir: ".".into(),
        clock: Arc::new(clock.clone()),
        services: Services::default(),
    }
}

fn clock() -> ManualClock {
    ManualClock::at(chrono::DateTime::UNIX_EPOCH)
}

async fn build(options: Json, clock: &ManualClock) -> Box<dyn SyncTransform> {
    match config(options).build(&context(clock)).await.unwrap() {
        Transform::Synchronous(transform) => transform,
        other => panic!("{other:?}"),
    }
}

/// The events that pass, as one batch that nobody has finished.
fn pass(transform: &mut dyn SyncTransform, batch: EventBatch) -> EventBatch {
    let mut outputs = TransformOutputs::default();
    transform.transform_batch(batch, &mut outputs);
    assert!(outputs.take_failed().is_empty());
    outputs.take_default()
}

fn events(documents: &[&'static str]) -> EventBatch {
    documents.iter().map(|text| LogEvent::untracked(*text)).collect()
}

/// How many of some events pass.
fn count(transform: &mut dyn SyncTransform, documents: &[&'static str]) -> usize {
    pass(transform, events(documents)).len()
}

#[tokio::test]
async fn a_duplicate_is_done_and_the_first_one_keeps_its_bytes() {
    let mut transform = build(json!({"fields": {"match": ["a"]}}), &clock()).await;
    let (batch, status) = tracked_batch([r#"{ "a": 1 }"#, r#"{"a":1}"#, r#"{"a":2}"#].map(Into::into));
    let mut passed = pass(&mut *transform, batch);
    let documents: Vec<_> = passed.iter_mut().map(LogEvent::to_bytes).collect();
    assert_eq!(documents, [r#"{ "a": 1 }"#, r#"{"a":2}"#]);
    passed
        .into_iter()
        .for_each(|event| event.finish(EventStatus::Delivered));
    assert_eq!(status.status().await, EventStatus::Delivered);
}

#[tokio::test]
async fn an_event_that_was_not_delivered_passes_again() {
    let mut transform = build(json!({"fields": {"match": ["a"]}}), &clock()).await;
    for (ends, passes_again) in [
        (EventStatus::Errored, true),
        (EventStatus::Errored, true),
        (EventStatus::Delivered, false),
        (EventStatus::Delivered, false),
    ] {
        let (batch, status) = tracked_batch([r#"{"a":1}"#.into()]);
        let passed = pass(&mut *transform, batch);
        if passed.is_empty() {
            assert_eq!(status.status().await, EventStatus::Dropped);
            assert!(!passes_again);
            continue;
        }
        // While it is on its way, it counts, also a copy of it.
        let copy = passed.clone();
        copy.into_iter()
            .for_each(|event| event.finish(EventStatus::Delivered));
        assert_eq!(count(&mut *transform, &[r#"{"a":1}"#]), 0);
        passed.into_iter().for_each(|event| event.finish(ends));
        assert_eq!(status.status().await, ends);
    }
}

#[tokio::test]
async fn an_event_that_vanished_passes_again() {
    let mut transform = build(json!({"fields": {"match": ["a"]}}), &clock()).await;
    for _ in 0..3 {
        let (batch, _status) = tracked_batch([r#"{"a":1}"#.into()]);
        let passed = pass(&mut *transform, batch);
        assert_eq!(passed.len(), 1);
        // A sink that dies drops its events.
        drop(passed);
    }
}

#[tokio::test]
async fn the_memory_of_events_is_bounded_in_their_number() {
    let mut memory = Memory::new(100);
    let key = Key::Match(vec![parse_target_path("a").unwrap()]);
    for number in 0..1000 {
        let mut event = LogEvent::untracked(o365_core::Value::from(json!({"a": number})));
        let digest = key.of(&mut event).unwrap().unwrap();
        assert!(!memory.has_seen(digest, &mut event, None, clock().now()));
        assert!(memory.len() <= 100);
    }
    assert_eq!(memory.len(), 100);
}

#[tokio::test]
async fn an_event_passes_again_after_its_time() {
    let first = [r#"{"a":1}"#];
    for (refresh, passes) in [(false, [1, 0, 0, 1]), (true, [1, 0, 0, 0])] {
        let clock = clock();
        let settings = json!({"max_age_ms": 1000, "refresh_on_drop": refresh});
        let options = json!({"fields": {"match": ["a"]}, "time_settings": settings});
        let mut transform = build(options, &clock).await;
        for expected in passes {
            assert_eq!(count(&mut *transform, &first), expected, "refresh: {refresh}");
            clock.advance(TimeDelta::milliseconds(400));
        }
        // A clock that was set back.
        clock.advance(TimeDelta::hours(-1));
        assert_eq!(count(&mut *transform, &first), 1);
    }
}

#[tokio::test]
async fn different_values_are_different() {
    let documents = [
        "{}",
        r#"{"a":null}"#,
        r#"{"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":"1"}"#,
        r#"{"a":true}"#,
        r#"{"a":"true"}"#,
        r#"{"a":""}"#,
        r#"{"a":[]}"#,
        r#"{"a":{}}"#,
        r#"{"a":[1,[2]]}"#,
        r#"{"a":[[1],2]}"#,
        r#"{"a":["b","c"]}"#,
        r#"{"a":["bc"]}"#,
        r#"{"a":{"b":"c"}}"#,
        r#"{"a":{"b":{"c":null}}}"#,
    ];
    for fields in [json!({"match": ["a"]}), json!({"ignore": ["z"]})] {
        let mut transform = build(json!({"fields": fields}), &clock()).await;
        assert_eq!(count(&mut *transform, &documents), documents.len(), "{fields}");
        assert_eq!(count(&mut *transform, &documents), 0, "{fields}");
    }
}

#[tokio::test]
async fn mistakes_are_named_all_at_once() {
    for (options, expected) in [
        (
            json!({"fields": {}, "cache": {"num_events": 0}, "time_settings": {"max_age_ms": 0}}),
            "cache.num_events,time_settings.max_age_ms,fields",
        ),
        (json!({"fields": {"match": ["a"], "ignore": ["b"]}}), "fields"),
        (json!({"fields": {"match": []}}), "fields.match"),
        (
            json!({"fields": {"match": ["a", "b..c", ""]}}),
            "fields.match[1],fields.match[2]",
        ),
        (json!({"fields": {"ignore": ["."]}}), "fields.ignore[0]"),
    ] {
        let error = config(options).build(&context(&clock())).await.unwrap_err();
        let fields: Vec<_> = error.problems.into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields.join(","), expected);
    }
}
