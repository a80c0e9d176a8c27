//! The ends of a pipeline that runs a unit test: sources that insert its events, sinks that keep what comes out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use o365_core::{
    BatchNotifier, ComponentError, ComponentKey, EventBatch, EventMetadata, EventStatus, LogEvent, Origin,
    RefusedEvents, Sink, Source, SourceContext, StreamSink,
    config::{BuildError, ComponentContext, Description, Problem, SinkConfig, SourceConfig},
};
use vrl::value::ObjectMap;

use super::prepare::Made;
use crate::topology::OutputId;

fn description(summary: &str) -> Description {
    Description {
        component_type: "unit_test",
        summary: summary.to_owned(),
        outputs: Vec::new(),
    }
}

/// The events of one transform, each with its place among the inputs of the test.
#[derive(Debug, Default)]
pub(super) struct Inserted(pub(super) Vec<(u64, Made)>);

#[async_trait]
impl SourceConfig for Inserted {
    fn describe(&self) -> Description {
        description("inserts the events of a test")
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        // A transform may hold events until its input ends, so nobody waits for them.
        let (notifier, _) = BatchNotifier::new();
        let events = self.0.iter().map(|(index, (document, metadata))| {
            let origin = Arc::new(origin_of(metadata));
            let own = EventMetadata::new(origin, *index, notifier.finalizer());
            let mut event = LogEvent::new(document.clone(), own);
            event.metadata_mut().set_custom(metadata.clone());
            event
        });
        let batch: EventBatch = events.collect();
        Ok(Box::pin(async move { Ok(cx.out.send_batch(batch).await?) }))
    }
}

/// What a program has set below `%`, for the transforms that look at where an event is from.
fn origin_of(metadata: &ObjectMap) -> Origin {
    let text = |key: &str| Some(metadata.get(key)?.to_str_lossy()?.into_owned());
    Origin {
        source_id: text("source_id").map(ComponentKey::new),
        tenant_id: text("tenant_id"),
        tenant_name: text("tenant_name"),
        content_type: text("content_type"),
        content_id: text("content_id"),
        content_created: metadata
            .get("content_created")
            .and_then(|value| value.as_timestamp().copied()),
        file: text("file"),
    }
}

/// Events by the output that they came from, in the order in which they came. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Extracted(Arc<Mutex<BTreeMap<OutputId, Vec<LogEvent>>>>);

impl Extracted {
    pub(super) fn take(&self) -> BTreeMap<OutputId, Vec<LogEvent>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A sink for one output.
    pub(super) fn sink(&self, output: OutputId) -> Box<dyn SinkConfig> {
        Box::new(Keep {
            output,
            into: self.clone(),
        })
    }
}

#[derive(Debug, Clone)]
struct Keep {
    output: OutputId,
    into: Extracted,
}

#[async_trait]
impl SinkConfig for Keep {
    fn describe(&self) -> Description {
        description("keeps what comes out of a transform")
    }

    fn validate(&self, _cx: &ComponentContext) -> Vec<Problem> {
        Vec::new()
    }

    async fn build(&self, _cx: &ComponentContext) -> Result<Sink, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl StreamSink for Keep {
    async fn run(
        self: Box<Self>,
        mut input: BoxStream<'static, EventBatch>,
        _refused: RefusedEvents,
    ) -> Result<(), ComponentError> {
        while let Some(batch) = input.next().await {
            for event in batch {
                let copy = event.clone();
                event.finish(EventStatus::Delivered);
                let mut kept = self.into.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.entry(self.output.clone()).or_default().push(copy);
            }
        }
        Ok(())
    }
}
