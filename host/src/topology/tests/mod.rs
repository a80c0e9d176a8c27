//! The list to copy is Vector's: fan-in, fan-out, back-pressure, crash, source finished, end to end.

mod change;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use indexmap::IndexMap;
use o365_core::{
    BatchNotifier, ComponentError, EventBatch, EventMetadata, EventStatus, Failure, FunctionTransform,
    LogEvent, OutputBuffer, RefusedEvents, RunMode, ShutdownTrigger, Sink, Source, SourceContext, StreamSink,
    SyncTransform, SystemClock, Transform, TransformOutputs,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig, SourceConfig, TransformConfig},
};

use super::*;
use crate::{
    dead_letter::Target,
    transforms::{DedupeConfig, RouteConfig},
    wasm::WasmEngine,
};

fn description(outputs: &[&str]) -> Description {
    let outputs = outputs.iter().map(ToString::to_string).collect();
    Description {
        component_type: "test",
        summary: "a test".to_owned(),
        outputs,
    }
}

/// Sends numbers in batches of ten and records the status of each batch; waits for the shutdown first, if told so.
#[derive(Debug, Clone)]
struct Numbers {
    count: u32,
    endless: bool,
    statuses: Arc<Mutex<Vec<EventStatus>>>,
}

impl Numbers {
    fn up_to(count: u32) -> Self {
        Self {
            count,
            endless: false,
            statuses: Arc::default(),
        }
    }

    fn endless() -> Self {
        Self {
            endless: true,
            ..Self::up_to(u32::MAX)
        }
    }

    fn statuses(&self) -> Vec<EventStatus> {
        self.statuses.lock().unwrap().clone()
    }
}

#[async_trait]
impl SourceConfig for Numbers {
    fn describe(&self) -> Description {
        description(&[])
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        let this = self.clone();
        Ok(Box::pin(async move {
            let mut waiting = Vec::new();
            for start in (0..this.count).step_by(10) {
                if cx.shutdown.is_cancelled() {
                    break;
                }
                let (notifier, status) = BatchNotifier::new();
                let batch = (start..this.count.min(start + 10)).map(|number| {
                    let metadata =
                        EventMetadata::new(Arc::default(), u64::from(number), notifier.finalizer());
                    LogEvent::new(Bytes::from(format!("{{\"n\":{number}}}")), metadata)
                });
                cx.out.send_batch(batch.collect()).await?;
                if this.endless {
                    drop(notifier);
                    let status = status.status().await;
                    this.statuses.lock().unwrap().push(status);
                } else {
                    waiting.push(status);
                }
            }
            drop(cx.out);
            for status in waiting {
                let status = status.status().await;
                this.statuses.lock().unwrap().push(status);
            }
            Ok(())
        }))
    }
}

/// Records documents; fails or panics when it has seen so many.
#[derive(Debug, Clone, Default)]
struct Record {
    seen: Arc<Mutex<Vec<String>>>,
    fail_after: Option<usize>,
    hang: bool,
}

impl Record {
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl SinkConfig for Record {
    fn describe(&self) -> Description {
        description(&[])
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, _cx: &ComponentContext) -> Result<Sink, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl StreamSink for Record {
    async fn run(
        self: Box<Self>,
        mut input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        if self.hang {
            std::future::pending::<()>().await;
        }
        while let Some(batch) = input.next().await {
            for mut event in batch {
                let document = String::from_utf8_lossy(&event.to_bytes()).into_owned();
                self.seen.lock().unwrap().push(document);
                event.finish(EventStatus::Delivered);
            }
            if self.fail_after.is_some_and(|limit| self.seen().len() >= limit) {
                return Err("the disk is on fire".into());
            }
        }
        Ok(())
    }
}

/// What a test transform does with an event, by its number.
#[derive(Debug, Clone, Copy)]
enum Does {
    Nothing,
    RouteOdd,
    FailSevens,
    PanicAtTwenty,
}

#[async_trait]
impl TransformConfig for Does {
    fn describe(&self) -> Description {
        description(if matches!(self, Self::RouteOdd) {
            &["odd"]
        } else {
            &[]
        })
    }

    async fn build(&self, _cx: &ComponentContext) -> Result<Transform, BuildError> {
        Ok(match self {
            Self::Nothing => Transform::Function(Box::new(Pass)),
            other => Transform::Synchronous(Box::new(*other)),
        })
    }
}

struct Pass;

impl FunctionTransform for Pass {
    fn transform(&mut self, output: &mut OutputBuffer, event: LogEvent) {
        output.push(event);
    }

    fn clone_box(&self) -> Box<dyn FunctionTransform> {
        Box::new(Self)
    }
}

impl SyncTransform for Does {
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs) {
        for event in batch {
            let number = event.metadata().index();
            match self {
                Self::RouteOdd if number % 2 == 1 => outputs.push_to("odd", event),
                Self::FailSevens if number % 7 == 0 => outputs.fail(event, Failure::new("test", "seven")),
                Self::PanicAtTwenty if number == 20 => panic!("twenty"),
                _ => outputs.push(event),
            }
        }
    }

    fn clone_box(&self) -> Box<dyn SyncTransform> {
        Box::new(*self)
    }
}

struct Lab {
    pipeline: Pipeline,
    dir: tempfile::TempDir,
    shutdown: ShutdownTrigger,
}

impl Lab {
    fn new(source: &Numbers) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pipeline = Pipeline {
            sources: IndexMap::from([("in".into(), Box::new(source.clone()) as Box<dyn SourceConfig>)]),
            workers: 2,
            data_dir: dir.path().to_owned(),
            config_dir: dir.path().to_owned(),
            ..Pipeline::default()
        };
        Self {
            pipeline,
            dir,
            shutdown: ShutdownTrigger::new(),
        }
    }

    fn transform(mut self, key: &str, inputs: &[&str], does: Does) -> Self {
        self.pipeline
            .transforms
            .insert(key.into(), (strings(inputs), Box::new(does)));
        self
    }

    fn sink(mut self, key: &str, inputs: &[&str], record: &Record) -> Self {
        self.pipeline
            .sinks
            .insert(key.into(), (strings(inputs), Box::new(record.clone())));
        self
    }

    async fn run(&self) -> Result<u64, RunError> {
        // Longer than any busy machine needs.
        self.run_with(Duration::from_secs(30)).await
    }

    async fn run_with(&self, grace: Duration) -> Result<u64, RunError> {
        let environment = Environment {
            clock: Arc::new(SystemClock),
            shutdown: self.shutdown.signal(),
            mode: RunMode::Once,
            dead_letters: Target::File(self.dir.path().join("letters.ndjson")),
            engine: Arc::new(WasmEngine::new(None).unwrap()),
        };
        let plan = plan(&self.pipeline).unwrap();
        let topology = build(&self.pipeline, &plan, &environment).await.unwrap();
        topology.run(&self.shutdown, grace).await
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn numbers(range: impl IntoIterator<Item = u32>) -> Vec<String> {
    range
        .into_iter()
        .map(|number| format!("{{\"n\":{number}}}"))
        .collect()
}

#[tokio::test]
async fn keeps_the_order_with_several_workers() {
    let (source, out) = (Numbers::up_to(1_000), Record::default());
    let lab = Lab::new(&source)
        .transform("a", &["in"], Does::Nothing)
        .transform("b", &["a"], Does::Nothing)
        .sink("out", &["b"], &out);
    assert_eq!(lab.run().await.unwrap(), 0);
    assert_eq!(out.seen(), numbers(0..1_000));
    assert_eq!(source.statuses(), vec![EventStatus::Delivered; 100]);
}

#[tokio::test]
async fn fans_out_to_every_reader_and_in_again() {
    let (source, all, twice) = (Numbers::up_to(30), Record::default(), Record::default());
    let lab = Lab::new(&source)
        .transform("a", &["in"], Does::Nothing)
        .sink("all", &["in"], &all)
        .sink("twice", &["in", "a"], &twice);
    lab.run().await.unwrap();
    assert_eq!(all.seen(), numbers(0..30));
    let mut seen = twice.seen();
    seen.sort();
    let mut expected = numbers((0..30).chain(0..30));
    expected.sort();
    assert_eq!(seen, expected);
    assert_eq!(source.statuses(), vec![EventStatus::Delivered; 3]);
}

#[tokio::test]
async fn named_outputs_lead_where_they_are_read() {
    let (source, even, odd) = (Numbers::up_to(30), Record::default(), Record::default());
    let lab = Lab::new(&source)
        .transform("split", &["in"], Does::RouteOdd)
        .sink("even", &["split"], &even)
        .sink("odd", &["split.odd"], &odd);
    lab.run().await.unwrap();
    assert_eq!(
        (even.seen(), odd.seen()),
        (numbers((0..30).step_by(2)), numbers((1..30).step_by(2)))
    );
}

#[tokio::test]
async fn one_memory_sees_every_event_in_order() {
    let (source, out) = (Numbers::up_to(1_000), Record::default());
    let mut lab = Lab::new(&source).sink("out", &["once"], &out);
    let fields = serde_json::json!({"fields": {"match": ["missing"]}});
    let once: DedupeConfig = serde_json::from_value(fields).unwrap();
    lab.pipeline
        .transforms
        .insert("once".into(), (strings(&["in"]), Box::new(once)));
    lab.run().await.unwrap();
    assert_eq!(out.seen(), numbers(0..1));
    let statuses = source.statuses();
    assert_eq!(statuses[0], EventStatus::Delivered);
    assert_eq!(statuses[1..], [EventStatus::Dropped; 99]);
}

#[test]
fn a_route_has_only_the_outputs_that_it_names() {
    let lab = Lab::new(&Numbers::up_to(1)).sink("out", &["split", "split.a"], &Record::default());
    let mut pipeline = lab.pipeline;
    let split: RouteConfig = serde_json::from_value(serde_json::json!({"route": {"a": "true"}})).unwrap();
    pipeline
        .transforms
        .insert("split".into(), (strings(&["in"]), Box::new(split)));
    let problems = plan(&pipeline).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].message, "there is no output `split`");
    assert_eq!(
        problems[0].hint.as_deref(),
        Some("did you mean `split.a`? the outputs are `in`, `split.a`, `split._unmatched`")
    );
    pipeline.sinks[0].0.remove(0);
    let unread: Vec<_> = plan(&pipeline)
        .unwrap()
        .unread
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(unread, ["split._unmatched"]);
}

#[tokio::test]
async fn wildcards_stand_for_every_output_that_fits_but_the_reader_itself() {
    let (source, all, odd) = (Numbers::up_to(30), Record::default(), Record::default());
    let lab = Lab::new(&source)
        .transform("split", &["i*"], Does::RouteOdd)
        .transform("split2", &["s*t", "split*"], Does::Nothing)
        .sink("all", &["split*", "split2"], &all)
        .sink("odd", &["*.odd"], &odd);
    let plan = plan(&lab.pipeline).unwrap();
    assert_eq!(plan.unread, []);
    lab.run().await.unwrap();
    assert_eq!(odd.seen(), numbers((1..30).step_by(2)));
    // Both outputs of `split`, and what `split2` makes of them.
    let mut seen = all.seen();
    seen.sort();
    let mut expected = numbers((0..30).chain(0..30));
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn wildcards_keep_their_meaning_when_the_ends_are_replaced() {
    let (source, out) = (Numbers::up_to(1), Record::default());
    let lab = Lab::new(&source)
        .transform("tidy", &["i*"], Does::Nothing)
        .sink("out", &["t*"], &out);
    let pipeline = lab
        .pipeline
        .with_ends(("(new)", Box::new(source)), ("(out)", Box::new(out)));
    assert_eq!(pipeline.transforms[0].0, ["(new)"]);
    assert_eq!(pipeline.sinks[0].0, ["tidy"]);
    assert!(plan(&pipeline).is_ok());
}

#[test]
fn a_wildcard_that_fits_nothing_is_a_mistake() {
    let lab = Lab::new(&Numbers::up_to(1))
        .transform("a", &["in"], Does::Nothing)
        .transform("b", &["a", "b*"], Does::Nothing)
        .sink("out", &["a", "b", "b"], &Record::default());
    let problems: Vec<_> = plan(&lab.pipeline)
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.message)
        .collect();
    assert_eq!(problems, ["no output fits `b*`", "reads from `b` twice"]);
}

#[tokio::test]
async fn failed_events_become_dead_letters_and_are_acknowledged_as_rejected() {
    let (source, out) = (Numbers::up_to(20), Record::default());
    let lab = Lab::new(&source)
        .transform("a", &["in"], Does::FailSevens)
        .sink("out", &["a"], &out);
    assert_eq!(lab.run().await.unwrap(), 3);
    assert_eq!(out.seen(), numbers((0..20).filter(|number| number % 7 != 0)));
    assert_eq!(source.statuses(), vec![EventStatus::Rejected; 2]);
    let letters = std::fs::read_to_string(lab.dir.path().join("letters.ndjson")).unwrap();
    assert_eq!(letters.lines().count(), 3);
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_pipeline_with_its_name() {
    let (source, out) = (
        Numbers::up_to(100_000),
        Record {
            fail_after: Some(50),
            ..Record::default()
        },
    );
    let lab = Lab::new(&source)
        .transform("a", &["in"], Does::Nothing)
        .sink("out", &["a"], &out);
    let error = lab.run().await.unwrap_err();
    assert!(
        matches!(&error, RunError::Component { name, .. } if name == "out"),
        "{error}"
    );
}

#[tokio::test]
async fn a_transform_that_panics_ends_the_pipeline_with_its_name_and_acknowledges_nothing_of_it() {
    let (source, out) = (Numbers::endless(), Record::default());
    let lab = Lab::new(&source)
        .transform("a", &["in"], Does::PanicAtTwenty)
        .sink("out", &["a"], &out);
    let error = lab.run().await.unwrap_err().to_string();
    assert!(error.contains("`a`"), "{error}");
    assert_eq!(source.statuses()[..2], [EventStatus::Delivered; 2]);
    assert!(
        source.statuses()[2..]
            .iter()
            .all(|status| *status == EventStatus::Errored),
        "{:?}",
        source.statuses()
    );
}

#[tokio::test]
async fn shutdown_drains_what_is_on_its_way() {
    let (source, out) = (Numbers::endless(), Record::default());
    let lab = Lab::new(&source)
        .transform("a", &["in"], Does::Nothing)
        .sink("out", &["a"], &out);
    let stop = async {
        while out.seen().len() < 100 {
            tokio::task::yield_now().await;
        }
        lab.shutdown.shutdown();
    };
    let (result, ()) = futures_util::future::join(lab.run(), stop).await;
    result.unwrap();
    let delivered = source
        .statuses()
        .iter()
        .filter(|status| **status == EventStatus::Delivered)
        .count();
    assert_eq!(delivered * 10, out.seen().len());
}

#[tokio::test]
async fn what_does_not_drain_in_time_is_named() {
    let (source, out) = (
        Numbers::up_to(10),
        Record {
            hang: true,
            ..Record::default()
        },
    );
    let lab = Lab::new(&source).sink("out", &["in"], &out);
    lab.shutdown.shutdown();
    let error = lab.run_with(Duration::from_millis(200)).await.unwrap_err();
    assert!(
        matches!(&error, RunError::Grace { names, .. } if names.contains(&"out".to_owned())),
        "{error}"
    );
}

#[test]
fn every_problem_of_a_plan_is_found() {
    let mut lab = Lab::new(&Numbers::up_to(1))
        .transform("a", &["b"], Does::Nothing)
        .transform("b", &["a"], Does::Nothing)
        .sink("out", &["nowhere", "a", "a"], &Record::default())
        .sink("idle", &[], &Record::default());
    let messages = |lab: &Lab| {
        plan(&lab.pipeline)
            .unwrap_err()
            .into_iter()
            .map(|problem| problem.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        messages(&lab),
        [
            "there is no output `nowhere`",
            "reads from `a` twice",
            "has no inputs"
        ]
    );
    lab.pipeline.sinks.shift_remove(&ComponentKey::from("idle"));
    lab.pipeline
        .sinks
        .insert("out".into(), (strings(&["a"]), Box::new(Record::default())));
    assert_eq!(
        messages(&lab),
        [
            "the inputs form a cycle: `a` -> `b` -> `a`",
            "nothing reads from this source: its events would be lost"
        ]
    );
    let empty = Pipeline::default();
    let problems = plan(&empty).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn an_output_that_nobody_reads_is_known() {
    let lab = Lab::new(&Numbers::up_to(1))
        .transform("split", &["in"], Does::RouteOdd)
        .sink("out", &["split"], &Record::default());
    let unread: Vec<_> = plan(&lab.pipeline)
        .unwrap()
        .unread
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(unread, ["split.odd"]);
}
