//! What every transform must do.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::tracked_batch;
use crate::{EventBatch, EventStatus, OutputBuffer, Transform, TransformOutputs};

/// Runs `documents` through the transform as one batch and returns what came out, default output first.
///
/// Checks that no event vanishes: when everything that came out is delivered, the source must learn of a final status,
/// so each event was passed on, failed or deliberately discarded.
pub async fn transform_contract(
    transform: Transform,
    outputs: impl IntoIterator<Item = String>,
    documents: Vec<Bytes>,
) -> (Vec<Bytes>, TransformOutputs) {
    let (batch, status) = tracked_batch(documents);
    let mut outputs = TransformOutputs::new(outputs);
    match transform {
        Transform::Function(mut function) => {
            let mut buffer = OutputBuffer::default();
            for event in batch {
                function.transform(&mut buffer, event);
            }
            outputs.append(buffer);
        }
        Transform::Synchronous(mut sync) => sync.transform_batch(batch, &mut outputs),
        Transform::Task(task) => {
            let batches: Vec<EventBatch> = task.transform(stream::iter([batch]).boxed()).collect().await;
            batches
                .into_iter()
                .flatten()
                .for_each(|event| outputs.push(event));
        }
    }
    let mut documents = Vec::new();
    for mut event in outputs.take_default() {
        documents.push(event.to_bytes());
        event.finish(EventStatus::Delivered);
    }
    let named: Vec<_> = outputs
        .take_named()
        .map(|(name, batch)| (name.to_owned(), batch))
        .collect();
    let mut untracked = TransformOutputs::new(named.iter().map(|(name, _)| name.clone()));
    for (name, batch) in named {
        for mut event in batch {
            event.update_status(EventStatus::Delivered);
            untracked.push_to(&name, crate::LogEvent::untracked(event.to_bytes()));
        }
    }
    for mut failed in outputs.take_failed() {
        failed.event.update_status(EventStatus::Rejected);
        untracked.fail(
            crate::LogEvent::untracked(failed.event.to_bytes()),
            failed.failure,
        );
    }
    assert!(
        status.status().await.is_final(),
        "an event vanished in the transform"
    );
    (documents, untracked)
}
