//! Keeps events in memory, to be sorted and counted at the end of a command.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    ComponentError, EventBatch, EventStatus, LogEvent, RefusedEvents, Sink, StreamSink, Value,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig},
};
use vrl::path;

/// What was collected. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Collected(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Time, id and text: what a total order needs.
    documents: Vec<(String, String, Bytes)>,
    counts: Counts,
}

/// How many events there were of what.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// All.
    pub events: u64,
    /// For each content type, in the order of their names.
    pub content_types: BTreeMap<String, u64>,
    /// For each `event.action`.
    pub actions: BTreeMap<String, u64>,
}

impl Counts {
    /// The most frequent actions; equally frequent ones in the order of their names.
    pub fn top_actions(&self, count: usize) -> Vec<(&str, u64)> {
        let mut actions: Vec<_> = self
            .actions
            .iter()
            .map(|(action, events)| (action.as_str(), *events))
            .collect();
        actions.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
        actions.truncate(count);
        actions
    }
}

impl Collected {
    /// The documents by `@timestamp`, then by `event.id`.
    pub fn sorted(&self) -> Vec<Bytes> {
        let mut inner = self.lock();
        inner.documents.sort();
        inner
            .documents
            .iter()
            .map(|(_, _, document)| document.clone())
            .collect()
    }

    /// The counts.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, event: &mut LogEvent) {
        let text = event.to_bytes();
        let content_type = event
            .metadata()
            .origin()
            .content_type
            .clone()
            .unwrap_or_else(|| "unknown".to_owned());
        let field = |value: Option<&Value>| {
            value
                .and_then(Value::as_bytes)
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
                .unwrap_or_default()
        };
        let (time, id, action) = match event.value() {
            Ok(value) => (
                field(value.get(path!("@timestamp"))),
                field(value.get(path!("event", "id"))),
                field(value.get(path!("event", "action"))),
            ),
            Err(_) => Default::default(),
        };
        let mut inner = self.lock();
        inner.counts.events += 1;
        *inner.counts.content_types.entry(content_type).or_default() += 1;
        *inner.counts.actions.entry(action).or_default() += 1;
        inner.documents.push((time, id, text));
    }
}

/// A sink that collects.
#[derive(Debug, Clone)]
pub struct CollectConfig(pub Collected);

#[async_trait]
impl SinkConfig for CollectConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "collect",
            summary: "keeps events in memory".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, _cx: &ComponentContext) -> Result<Sink, BuildError> {
        Ok(Box::new(Collect(self.0.clone())))
    }
}

struct Collect(Collected);

#[async_trait]
impl StreamSink for Collect {
    async fn run(
        self: Box<Self>,
        mut input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        while let Some(batch) = input.next().await {
            for mut event in batch {
                self.0.add(&mut event);
                event.finish(EventStatus::Delivered);
            }
        }
        Ok(())
    }
}
