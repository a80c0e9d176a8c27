//! One output, any number of readers.

use o365_core::{BatchSender, Closed, EventBatch};

/// Sends each batch to every reader. A copy of an event is an event of its own: all must come to an end before the
/// source is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Fanout(Vec<BatchSender>);

impl Fanout {
    pub(super) fn new(readers: Vec<BatchSender>) -> Self {
        Self(readers)
    }

    /// Waits for room with each reader in turn: the slowest sets the pace. Without a reader the events are dropped on
    /// purpose.
    pub(super) async fn send(&self, batch: EventBatch) -> Result<(), Closed> {
        let Some((last, others)) = self.0.split_last() else {
            batch.into_iter().for_each(o365_core::LogEvent::discard);
            return Ok(());
        };
        for reader in others {
            reader.send(batch.clone()).await?;
        }
        last.send(batch).await
    }

    /// The only reader, if there is exactly one: no step is needed between it and the output.
    pub(super) fn single(&self) -> Option<BatchSender> {
        match self.0.as_slice() {
            [reader] => Some(reader.clone()),
            _ => None,
        }
    }
}
