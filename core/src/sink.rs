//! Where events go.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::{ComponentError, event::EventBatch, transform::FailedEvent};

/// A boxed sink.
pub type Sink = Box<dyn StreamSink>;

/// Takes batches until there are no more.
#[async_trait]
pub trait StreamSink: Send {
    /// Runs until `input` ends, then flushes, then returns.
    ///
    /// Each event's status is set only when its fate is certain: `Delivered` after the destination has durably taken
    /// it; what the destination refuses for good goes to `refused`. An error ends the pipeline; events that the sink
    /// still holds are then reported as `Errored` by being dropped.
    async fn run(
        self: Box<Self>,
        input: BoxStream<'static, EventBatch>,
        refused: RefusedEvents,
    ) -> Result<(), ComponentError>;
}

/// Where events go that a destination refuses for good: to be kept as dead letters, with the reason.
#[derive(Clone)]
pub struct RefusedEvents(Arc<dyn KeepRefused>);

/// What is behind [`RefusedEvents`].
#[async_trait]
pub trait KeepRefused: Send + Sync {
    /// Keeps events, and then sets their status.
    async fn keep(&self, refused: Vec<FailedEvent>);
}

impl RefusedEvents {
    /// A place to keep them.
    pub fn new(place: impl KeepRefused + 'static) -> Self {
        Self(Arc::new(place))
    }

    /// Hands events over. They are `Rejected` when they are kept; if they cannot be, they count as not delivered.
    pub async fn keep(&self, refused: Vec<FailedEvent>) {
        if !refused.is_empty() {
            self.0.keep(refused).await;
        }
    }
}

impl fmt::Debug for RefusedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefusedEvents")
    }
}
