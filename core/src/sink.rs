//! Where events go.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::{ComponentError, event::EventBatch};

/// A boxed sink.
pub type Sink = Box<dyn StreamSink>;

/// Takes batches until there are no more.
#[async_trait]
pub trait StreamSink: Send {
    /// Runs until `input` ends, then flushes, then returns.
    ///
    /// Each event's status is set only when its fate is certain: `Delivered` after the destination has durably taken
    /// it, `Rejected` after it was kept as a dead letter. An error ends the pipeline; events that the sink
    /// still holds are then reported as `Errored` by being dropped.
    async fn run(self: Box<Self>, input: BoxStream<'static, EventBatch>) -> Result<(), ComponentError>;
}
