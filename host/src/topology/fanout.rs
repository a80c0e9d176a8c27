//! One output, any number of readers.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use o365_core::{BatchSender, Closed, EventBatch, Traffic};
use tracing::debug;

type Readers = Arc<[BatchSender]>;

/// Sends each batch to every reader. A copy of an event is an event of its own: all must come to an end before the
/// source is told.
#[derive(Debug)]
pub(super) struct Fanout {
    readers: Arc<Mutex<Readers>>,
    sent: Arc<Traffic>,
}

/// Gives an output other readers, between two batches. It does not keep the output open, nor its readers.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Weak<Mutex<Readers>>);

impl Fanout {
    /// `sent` counts every batch once, however many readers there are.
    pub(super) fn new(readers: Vec<BatchSender>, sent: Arc<Traffic>) -> Self {
        Self {
            readers: Arc::new(Mutex::new(readers.into())),
            sent,
        }
    }

    /// See [`Outlet`].
    pub(super) fn outlet(&self) -> Outlet {
        Outlet(Arc::downgrade(&self.readers))
    }

    /// Waits for room with each reader in turn: the slowest sets the pace. Without a reader the events are dropped on
    /// purpose.
    pub(super) async fn send(&self, batch: EventBatch) -> Result<(), Closed> {
        let readers = self.readers();
        let Some((last, others)) = readers.split_last() else {
            batch.into_iter().for_each(o365_core::LogEvent::discard);
            return Ok(());
        };
        let events = batch.len() as u64;
        for reader in others {
            self.pass(reader, batch.clone(), &readers).await?;
        }
        let bytes = self.pass(last, batch, &readers).await?;
        self.sent.add(events, bytes);
        Ok(())
    }

    fn readers(&self) -> Readers {
        Arc::clone(&self.readers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A reader that has ended is an error, unless it was about to be replaced and did not drain in time: then the source
    /// learns that this batch was not delivered, and what follows goes to the readers that there are now.
    async fn pass(&self, reader: &BatchSender, batch: EventBatch, of: &Readers) -> Result<u64, Closed> {
        match reader.send(batch).await {
            Err(Closed) if !Arc::ptr_eq(of, &self.readers()) => {
                debug!("a batch was given up, its reader was replaced and did not drain");
                Ok(0)
            }
            result => result,
        }
    }
}

impl Outlet {
    /// Replaces the readers. A batch that is being sent goes to those before. Nothing happens if the output has ended.
    pub(super) fn redirect(&self, readers: Vec<BatchSender>) {
        if let Some(current) = self.0.upgrade() {
            *current.lock().unwrap_or_else(PoisonError::into_inner) = readers.into();
        }
    }
}
