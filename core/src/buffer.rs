//! Bounded channels between components.
//!
//! Back-pressure is the flow control: a slow sink fills its channel, its transform waits, the source stops asking for
//! more. Capacity is counted in events and in bytes, because batches differ in both.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{event::EventBatch, traffic::Traffic};

/// How much may wait in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Events, at least 1.
    pub events: u32,
    /// Bytes of documents, at least 1.
    pub bytes: u32,
}

impl Default for Capacity {
    /// 4,096 events or 2 MiB, whichever is reached first: enough to keep the stages busy, and there are several channels
    /// in a pipeline that a slow sink fills all.
    fn default() -> Self {
        Self {
            events: 4_096,
            bytes: 2 * 1024 * 1024,
        }
    }
}

/// The other end is gone; the batch that was sent has been given up, and its source is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the receiving component has ended")]
pub struct Closed;

/// A bounded channel. A batch that alone exceeds the capacity passes when the channel is empty.
pub fn channel(capacity: Capacity) -> (BatchSender, BatchReceiver) {
    channel_counted(capacity, Arc::default(), Arc::default())
}

/// A bounded channel that goes on with the counters of another one, which it takes the place of: what was sent into it, and
/// what was taken out of it.
pub fn channel_counted(
    capacity: Capacity,
    entered: Arc<Traffic>,
    left: Arc<Traffic>,
) -> (BatchSender, BatchReceiver) {
    let capacity = Capacity {
        events: capacity.events.max(1),
        bytes: capacity.bytes.max(1),
    };
    // Never the limit itself: an accepted batch holds at least one event.
    let (sender, receiver) = mpsc::channel(capacity.events as usize);
    let room = Room {
        events: Arc::new(Semaphore::new(capacity.events as usize)),
        bytes: Arc::new(Semaphore::new(capacity.bytes as usize)),
    };
    (
        BatchSender {
            sender,
            room: room.clone(),
            capacity,
            entered: Arc::clone(&entered),
        },
        BatchReceiver {
            receiver,
            room,
            entered,
            left,
        },
    )
}

#[derive(Debug, Clone)]
struct Room {
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

#[derive(Debug)]
struct Queued {
    batch: EventBatch,
    size: u64,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// The sending end. Clones share the capacity.
#[derive(Debug, Clone)]
pub struct BatchSender {
    sender: mpsc::Sender<Queued>,
    room: Room,
    capacity: Capacity,
    entered: Arc<Traffic>,
}

/// Finds the channel without keeping it open.
#[derive(Debug, Clone)]
pub struct WeakBatchSender {
    sender: mpsc::WeakSender<Queued>,
    room: Room,
    capacity: Capacity,
    entered: Arc<Traffic>,
}

impl WeakBatchSender {
    /// A sender, unless the last one is gone.
    pub fn upgrade(&self) -> Option<BatchSender> {
        Some(BatchSender {
            sender: self.sender.upgrade()?,
            room: self.room.clone(),
            capacity: self.capacity,
            entered: Arc::clone(&self.entered),
        })
    }
}

impl BatchSender {
    /// See [`WeakBatchSender`].
    pub fn downgrade(&self) -> WeakBatchSender {
        WeakBatchSender {
            sender: self.sender.downgrade(),
            room: self.room.clone(),
            capacity: self.capacity,
            entered: Arc::clone(&self.entered),
        }
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits for room and sends. An empty batch is not sent. Returns the size of the batch in bytes, which may take a
    /// walk through every document to find.
    ///
    /// # Cancel safety
    /// Not safe: a batch whose sending is given up counts as lost, and its source sends it again.
    pub async fn send(&self, batch: EventBatch) -> Result<u64, Closed> {
        if batch.is_empty() {
            return Ok(0);
        }
        let (count, size) = (batch.len() as u64, batch.size() as u64);
        let events = u32::try_from(count).unwrap_or(u32::MAX).min(self.capacity.events);
        let bytes = u32::try_from(size)
            .unwrap_or(u32::MAX)
            .clamp(1, self.capacity.bytes);
        // Always in this order, so that two senders cannot wait for each other.
        let events = Arc::clone(&self.room.events)
            .acquire_many_owned(events)
            .await
            .map_err(|_| Closed)?;
        let bytes = Arc::clone(&self.room.bytes)
            .acquire_many_owned(bytes)
            .await
            .map_err(|_| Closed)?;
        self.sender
            .send(Queued {
                batch,
                size,
                _room: (events, bytes),
            })
            .await
            .map_err(|_| Closed)?;
        self.entered.add(count, size);
        Ok(size)
    }
}

/// The receiving end; ends when every sender is gone and the channel is empty.
#[derive(Debug)]
pub struct BatchReceiver {
    receiver: mpsc::Receiver<Queued>,
    room: Room,
    entered: Arc<Traffic>,
    left: Arc<Traffic>,
}

impl BatchReceiver {
    /// What was sent into the channel, and what was taken out of it: the difference waits.
    pub fn traffic(&self) -> (Arc<Traffic>, Arc<Traffic>) {
        (Arc::clone(&self.entered), Arc::clone(&self.left))
    }

    fn take(&self, queued: Queued) -> EventBatch {
        self.left.add(queued.batch.len() as u64, queued.size);
        queued.batch
    }

    /// The next batch, or `None` at the end.
    ///
    /// # Cancel safety
    /// Safe: no batch is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<EventBatch> {
        let queued = self.receiver.recv().await?;
        Some(self.take(queued))
    }
}

impl Stream for BatchReceiver {
    type Item = EventBatch;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<EventBatch>> {
        self.receiver
            .poll_recv(cx)
            .map(|queued| queued.map(|queued| self.take(queued)))
    }
}

impl Drop for BatchReceiver {
    fn drop(&mut self) {
        // Wakes senders that wait for room which nobody will make.
        self.room.events.close();
        self.room.bytes.close();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::{EventMetadata, EventStatus, LogEvent, finalize::BatchNotifier};

    fn batch(events: usize) -> EventBatch {
        (0..events).map(|_| LogEvent::untracked(r#"{"a":1}"#)).collect()
    }

    #[tokio::test]
    async fn waits_for_room_in_events() {
        let (sender, mut receiver) = channel(Capacity {
            events: 4,
            bytes: 1_000,
        });
        sender.send(batch(3)).await.unwrap();
        let mut second = Box::pin(sender.send(batch(2)));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(receiver.recv().await.unwrap().len(), 3);
        second.await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn waits_for_room_in_bytes() {
        let (sender, mut receiver) = channel(Capacity {
            events: 100,
            bytes: 10,
        });
        sender.send(batch(1)).await.unwrap();
        let mut second = Box::pin(sender.send(batch(1)));
        assert!(poll!(&mut second).is_pending());
        receiver.recv().await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn passes_a_batch_larger_than_everything() {
        let (sender, mut receiver) = channel(Capacity { events: 1, bytes: 1 });
        sender.send(batch(50)).await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().len(), 50);
    }

    #[tokio::test]
    async fn counts_what_enters_and_what_leaves() {
        let (sender, mut receiver) = channel(Capacity::default());
        let (entered, left) = receiver.traffic();
        sender.send(batch(3)).await.unwrap();
        sender.send(batch(2)).await.unwrap();
        assert_eq!((entered.events(), left.events()), (5, 0));
        receiver.recv().await.unwrap();
        assert_eq!((entered.events(), left.events()), (5, 3));
        assert_eq!((entered.batches(), left.batches()), (2, 1));
        drop(sender);
        let rest: Vec<_> = futures_util::StreamExt::collect(receiver).await;
        assert_eq!(rest.len(), 1);
        assert_eq!(entered.events(), left.events());
        assert_eq!(entered.bytes(), left.bytes());
        assert!(entered.bytes() > 0);
    }

    #[tokio::test]
    async fn ends_when_the_senders_are_gone() {
        let (sender, mut receiver) = channel(Capacity::default());
        sender.send(batch(1)).await.unwrap();
        drop(sender);
        assert!(receiver.recv().await.is_some());
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn is_found_until_the_last_sender_is_gone_and_not_kept_open_by_it() {
        let (sender, mut receiver) = channel(Capacity::default());
        let weak = sender.downgrade();
        weak.upgrade().unwrap().send(batch(2)).await.unwrap();
        drop(sender);
        assert!(weak.upgrade().is_none());
        assert_eq!(receiver.recv().await.unwrap().len(), 2);
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn goes_on_counting_for_another_channel() {
        let (sender, mut before) = channel(Capacity::default());
        let (entered, left) = before.traffic();
        let (next, mut after) = channel_counted(Capacity::default(), entered, left);
        sender.send(batch(2)).await.unwrap();
        next.send(batch(3)).await.unwrap();
        before.recv().await.unwrap();
        after.recv().await.unwrap();
        let (entered, left) = after.traffic();
        assert_eq!((entered.events(), left.events()), (5, 5));
    }

    #[tokio::test]
    async fn tells_the_source_when_the_receiver_dies() {
        let (sender, receiver) = channel(Capacity {
            events: 1,
            bytes: 1_000,
        });
        let (notifier, status) = BatchNotifier::new();
        let event = LogEvent::new(
            r#"{"a":1}"#,
            EventMetadata::new(Arc::default(), 0, notifier.finalizer()),
        );
        drop(notifier);
        sender.send(vec![event].into()).await.unwrap();
        let mut waiting = Box::pin(sender.send(batch(1)));
        assert!(poll!(&mut waiting).is_pending());
        drop(receiver);
        assert_eq!(waiting.await, Err(Closed));
        assert_eq!(status.status().await, EventStatus::Errored);
    }
}
