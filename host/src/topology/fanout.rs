//! One output, any number of readers.

use std::sync::Arc;

use o365_core::{BatchSender, Closed, EventBatch, Traffic};

/// Sends each batch to every reader. A copy of an event is an event of its own: all must come to an end before the
/// source is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Fanout {
    readers: Vec<BatchSender>,
    sent: Arc<Traffic>,
}

impl Fanout {
    /// `sent` counts every batch once, however many readers there are.
    pub(super) fn new(readers: Vec<BatchSender>, sent: Arc<Traffic>) -> Self {
        Self { readers, sent }
    }

    /// Waits for room with each reader in turn: the slowest sets the pace. Without a reader the events are dropped on
    /// purpose.
    pub(super) async fn send(&self, batch: EventBatch) -> Result<(), Closed> {
        let Some((last, others)) = self.readers.split_last() else {
            batch.into_iter().for_each(o365_core::LogEvent::discard);
            return Ok(());
        };
        let events = batch.len() as u64;
        for reader in others {
            reader.send(batch.clone()).await?;
        }
        let bytes = last.send(batch).await?;
        self.sent.add(events, bytes);
        Ok(())
    }

    /// The only reader, if there is exactly one: no step is needed between it and the output.
    pub(super) fn single(&self) -> Option<BatchSender> {
        match self.readers.as_slice() {
            [reader] => Some(reader.clone()),
            _ => None,
        }
    }
}
