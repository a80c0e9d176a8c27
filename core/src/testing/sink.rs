//! What every sink must do.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::tracked_batch;
use crate::{EventStatus, FailedEvent, Failure, KeepRefused, RefusedEvents, Sink};

/// Keeps refused events in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Refused(Arc<Mutex<Vec<(Bytes, Failure)>>>);

impl Refused {
    /// A way to it.
    pub fn events(&self) -> RefusedEvents {
        RefusedEvents::new(self.clone())
    }

    /// The documents that were refused so far, and why.
    pub fn kept(&self) -> Vec<(Bytes, Failure)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl KeepRefused for Refused {
    async fn keep(&self, refused: Vec<FailedEvent>) {
        for FailedEvent { mut event, failure } in refused {
            let document = event.to_bytes();
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push((document, failure));
            event.finish(EventStatus::Rejected);
        }
    }
}

/// Sends `documents` in batches of three and checks that the sink takes each exactly as its trait says:
/// it ends when its input ends, it ends without error on an empty input, and every batch is acknowledged as delivered.
/// What arrived at the destination is for the caller to compare.
pub async fn sink_contract(mut make: impl FnMut() -> Sink, documents: Vec<Bytes>) {
    assert!(!documents.is_empty(), "the contract needs documents");
    let empty = make()
        .run(stream::empty().boxed(), Refused::default().events())
        .await;
    assert!(empty.is_ok(), "a sink without input must end well: {empty:?}");

    let (batches, statuses): (Vec<_>, Vec<_>) = documents
        .chunks(3)
        .map(|chunk| tracked_batch(chunk.iter().cloned()))
        .unzip();
    let result = make()
        .run(stream::iter(batches).boxed(), Refused::default().events())
        .await;
    assert!(result.is_ok(), "the sink failed: {result:?}");
    for (number, status) in statuses.into_iter().enumerate() {
        assert_eq!(
            status.status().await,
            EventStatus::Delivered,
            "batch {number} was not acknowledged"
        );
    }
}
