//! What every sink must do.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::tracked_batch;
use crate::{EventStatus, Sink};

/// Sends `documents` in batches of three and checks that the sink takes each exactly as its trait says:
/// it ends when its input ends, it ends without error on an empty input, and every batch is acknowledged as delivered.
/// What arrived at the destination is for the caller to compare.
pub async fn sink_contract(mut make: impl FnMut() -> Sink, documents: Vec<Bytes>) {
    assert!(!documents.is_empty(), "the contract needs documents");
    let empty = make().run(stream::empty().boxed()).await;
    assert!(empty.is_ok(), "a sink without input must end well: {empty:?}");

    let (batches, statuses): (Vec<_>, Vec<_>) = documents
        .chunks(3)
        .map(|chunk| tracked_batch(chunk.iter().cloned()))
        .unzip();
    let result = make().run(stream::iter(batches).boxed()).await;
    assert!(result.is_ok(), "the sink failed: {result:?}");
    for (number, status) in statuses.into_iter().enumerate() {
        assert_eq!(
            status.status().await,
            EventStatus::Delivered,
            "batch {number} was not acknowledged"
        );
    }
}
