//! Contract suites: what any source, transform or sink must do, as functions that its tests call.
//!
//! Each suite panics with a sentence when the contract is broken.

mod sink;
mod source;
mod transform;

use std::sync::Arc;

use bytes::Bytes;
pub use sink::{Refused, sink_contract};
pub use source::{Collected, collect_source, source_contract};
pub use transform::transform_contract;

use crate::{BatchNotifier, BatchStatusReceiver, EventBatch, EventMetadata, LogEvent, Origin};

/// A batch of tracked events with the given documents, and the receiver of its status.
pub fn tracked_batch(documents: impl IntoIterator<Item = Bytes>) -> (EventBatch, BatchStatusReceiver) {
    let (notifier, receiver) = BatchNotifier::new();
    let origin = Arc::new(Origin {
        content_id: Some("test-blob".to_owned()),
        ..Origin::default()
    });
    let batch = documents
        .into_iter()
        .zip(0..)
        .map(|(document, index)| {
            LogEvent::new(
                document,
                EventMetadata::new(Arc::clone(&origin), index, notifier.finalizer()),
            )
        })
        .collect();
    (batch, receiver)
}
