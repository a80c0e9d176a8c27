//! What every source must do.

use bytes::Bytes;

use crate::{BatchReceiver, Capacity, ComponentError, EventStatus, LogEvent, Source, SourceSender, channel};

/// What a source has sent before it ended.
#[derive(Debug)]
pub struct Collected {
    /// The documents in the order of arrival.
    pub documents: Vec<Bytes>,
    /// How the source ended.
    pub result: Result<(), ComponentError>,
}

/// Runs a source until it ends, and gives every event the status that `decide` picks.
pub async fn collect_source<F>(
    build: impl FnOnce(SourceSender) -> F,
    mut decide: impl FnMut(&mut LogEvent) -> EventStatus,
) -> Collected
where
    F: Future<Output = Source>,
{
    let (sender, mut receiver) = channel(Capacity {
        events: 64,
        bytes: 1024 * 1024,
    });
    let source = build(SourceSender::new(sender)).await;
    let drain = async move {
        let mut documents = Vec::new();
        while let Some(batch) = receiver.recv().await {
            for mut event in batch {
                documents.push(event.to_bytes());
                let status = decide(&mut event);
                event.finish(status);
            }
        }
        documents
    };
    let (result, documents) = futures_util::future::join(source, drain).await;
    Collected { documents, result }
}

/// Checks what any source owes its pipeline, on a source that ends by itself and can be made again from the same
/// state (`make` is called three times):
///
/// 1. a pipeline that dies ends the source instead of hanging it, and nothing counts as delivered;
/// 2. after that, everything is sent: `expected` events, each with somebody who waits for it;
/// 3. what was delivered is not sent again, if `remembers`.
pub async fn source_contract<F>(mut make: impl FnMut(SourceSender) -> F, expected: usize, remembers: bool)
where
    F: Future<Output = Source>,
{
    assert!(expected > 0, "the contract needs events");
    let (sender, receiver) = channel(Capacity { events: 1, bytes: 1 });
    let source = make(SourceSender::new(sender)).await;
    // The outcome is the source's choice; that there is one is not.
    let (_outcome, ()) = futures_util::future::join(source, take_one_and_die(receiver)).await;

    let mut tracked = 0;
    let second = collect_source(&mut make, |event| {
        tracked += usize::from(!event.metadata().finalizers().is_empty());
        EventStatus::Delivered
    })
    .await;
    assert!(second.result.is_ok(), "the source failed: {:?}", second.result);
    assert_eq!(
        second.documents.len(),
        expected,
        "events after a pipeline that died"
    );
    assert_eq!(tracked, expected, "every event must have a finalizer");

    let third = collect_source(&mut make, |_| EventStatus::Delivered).await;
    assert!(third.result.is_ok(), "the source failed: {:?}", third.result);
    let again = if remembers { 0 } else { expected };
    assert_eq!(
        third.documents.len(),
        again,
        "events after everything was delivered"
    );
}

async fn take_one_and_die(mut receiver: BatchReceiver) {
    drop(receiver.recv().await);
}
