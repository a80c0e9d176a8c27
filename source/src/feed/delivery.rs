//! The life of one blob: fetched, cut, sent, acknowledged, done.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use o365_core::{
    BatchNotifier, EventBatch, EventMetadata, EventStatus, LogEvent, Origin, SourceSender, backoff::Backoff,
};
use tracing::{Instrument, Span};

use super::{Feed, SLOW, poison};
use crate::{
    dedupe::Claim,
    error::{ApiError, Class, SourceError},
    events::{Split, identify},
    fetch::{Held, Unread, read_blob},
    ledger::{Delivered, EventKey, PendingBlob, Retry},
    pace::later,
    stats::add,
    telemetry, trace,
};

/// Bytes of the events in a batch.
const BATCH_BYTES: usize = 256 * 1024;
/// Waits of one blob.
pub(super) const BLOB: Backoff = Backoff::secs(1, 900);

/// How an attempt at a blob ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The ledger has its last word on the blob.
    Final,
    /// Told to stop before anything was sent.
    Abandoned,
    /// To be tried again.
    Later {
        reason: String,
        /// The next blob will probably fail too.
        transient: bool,
    },
    /// The whole feed is refused.
    Refused { reason: String },
}

/// Brings one blob to its end, or back to the pending ones.
///
/// A stop ends it before the first event is sent, and not after: what was sent in part would be sent again.
pub(super) async fn deliver(
    feed: &Feed,
    blob: PendingBlob,
    out: SourceSender,
) -> (String, Result<Outcome, SourceError>) {
    let content_id = blob.content_id.clone();
    let span = trace::blob(&feed.shared.component, &feed.key, &blob);
    let outcome = async {
        let unsent = Unsent::count(feed);
        let fetched = tokio::select! {
            biased;
            () = feed.shared.stop.cancelled() => return Ok(Outcome::Abandoned),
            fetched = fetch(feed, &blob) => fetched,
        };
        // Boxed, and only now: of the blobs that wait there may be many, and at work one takes a lot of room.
        Box::pin(attempt(feed, &blob, out, unsent, fetched)).await
    };
    let outcome = outcome.instrument(span.clone()).await;
    trace::blob_ended(&span, &outcome);
    (content_id, outcome)
}

async fn attempt(
    feed: &Feed,
    blob: &PendingBlob,
    out: SourceSender,
    unsent: Unsent<'_>,
    fetched: Result<(Split, Held<'_>), Unread>,
) -> Result<Outcome, SourceError> {
    let (split, held) = match fetched {
        Ok(fetched) => fetched,
        Err(Unread { error, body }) => return failed(feed, blob, &error, body).await,
    };
    if !split.oddities.is_empty() {
        telemetry::blob_odd(&feed.key, &blob.content_id, &split.oddities);
    }
    let (notifier, status) = out.notifier();
    let mut sending = Sending {
        feed,
        out: Some(out),
        origin: Arc::new(Origin {
            source_id: Some(feed.shared.component.clone()),
            tenant_id: Some(feed.key.tenant.to_string()),
            tenant_name: feed.tenant.name.clone(),
            content_type: Some(feed.key.content_type.to_string()),
            content_id: Some(blob.content_id.clone()),
            content_created: Some(blob.created),
            file: None,
        }),
        notifier,
        claim: Claim::new(&feed.tenant.in_flight),
        unsent: Some(unsent),
        keys: Vec::new(),
        sent: 0,
        duplicates: 0,
    };
    let complete = sending.all(split).instrument(trace::emit()).await?;
    // The bytes are the pipeline's now; so is the way out, if this was the last blob.
    drop(held);
    drop(sending.out.take());
    drop(sending.unsent.take());
    let Sending {
        notifier,
        claim,
        keys,
        sent,
        duplicates,
        ..
    } = sending;
    drop(notifier);
    let status = status.status().await;
    let status = if complete { status } else { EventStatus::Errored };
    Span::current()
        .record("o365.events", sent)
        .record("o365.repeated_events", duplicates);
    let ended = acknowledged(feed, blob, status, keys, sent, duplicates)
        .instrument(trace::acknowledge(status))
        .await;
    drop(claim);
    ended
}

/// Counts a blob as not sent, until it is dropped.
struct Unsent<'a>(&'a AtomicUsize);

impl<'a> Unsent<'a> {
    fn count(feed: &'a Feed) -> Self {
        feed.unsent.fetch_add(1, Ordering::AcqRel);
        Self(&feed.unsent)
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn fetch<'a>(feed: &'a Feed, blob: &PendingBlob) -> Result<(Split, Held<'a>), Unread> {
    let client = &feed.tenant.client;
    let url = client.pin(&blob.uri)?;
    let _fetching = feed
        .tenant
        .fetching
        .acquire()
        .await
        .expect("the semaphore is never closed");
    let mut slot = feed.shared.room.wanted().await;
    let span = trace::fetch();
    // Boxed once it is its turn, as above.
    let read = Box::pin(async {
        let response = slot.answer(client.fetch(&url)).await?;
        let limit = feed.shared.settings.max_blob_size;
        read_blob(&feed.shared.room, response, slot, limit).await
    });
    let read = read.instrument(span.clone()).await;
    let (split, bytes, held) = read.inspect_err(|_| trace::failed(&span))?;
    span.record("o365.bytes", bytes);
    add(&feed.stats.bytes_received, bytes as u64);
    Ok((split, held))
}

/// An event and what it is known by.
type Keyed = (u64, Bytes, EventKey);

struct Sending<'a> {
    feed: &'a Feed,
    /// Gone once nothing new is sent and this blob only waits for another one.
    out: Option<SourceSender>,
    origin: Arc<Origin>,
    notifier: BatchNotifier,
    claim: Claim,
    /// Nothing while it only waits for another blob.
    unsent: Option<Unsent<'a>>,
    /// Ids of the events that were sent.
    keys: Vec<EventKey>,
    sent: u64,
    duplicates: u64,
}

impl Sending<'_> {
    /// Sends all events of the blob that have not been delivered. Those that another blob is just sending come last,
    /// if they have to come at all. Returns whether nothing is missing.
    async fn all(&mut self, split: Split) -> Result<bool, SourceError> {
        let mut free = Vec::new();
        let mut keyed: Vec<Keyed> = Vec::new();
        let mut seen = HashSet::new();
        for (index, event) in (0..).zip(split.events) {
            let key = if self.feed.shared.settings.deduplicate {
                identify(&event).and_then(|found| EventKey::new(found.id?, found.created))
            } else {
                None
            };
            match key {
                None => free.push((index, event)),
                Some(key) if seen.insert(key.clone()) => keyed.push((index, event, key)),
                Some(_) => self.duplicates += 1,
            }
        }
        let claims = self.claim.take(keyed.iter().map(|(.., key)| key));
        let (mut own, mut waiting, mut earlier) = (Vec::new(), Vec::new(), Vec::new());
        for (event, other) in keyed.into_iter().zip(claims) {
            match other {
                None => own.push(event),
                Some(other) => {
                    earlier.push(other);
                    waiting.push(event);
                }
            }
        }
        if !self.send_new(free, own).await? {
            return Ok(false);
        }
        if waiting.is_empty() {
            return Ok(true);
        }
        let ended = async {
            for other in &earlier {
                other.ended().await;
            }
        };
        tokio::pin!(ended);
        self.unsent = None;
        tokio::select! {
            () = &mut ended => self.unsent = Some(Unsent::count(self.feed)),
            () = self.feed.closing.cancelled() => {
                // The other blobs may end only when the pipeline's input does.
                self.out = None;
                ended.await;
            }
        }
        self.send_new(Vec::new(), waiting).await
    }

    /// Sends `free`, and of `claimed` what has not been delivered, in the order of the blob. Returns whether there still
    /// was a way out.
    async fn send_new(
        &mut self,
        mut free: Vec<(u64, Bytes)>,
        claimed: Vec<Keyed>,
    ) -> Result<bool, SourceError> {
        // Only now: what another blob delivered before the claim is in the ledger.
        let keys = claimed.iter().map(|(.., key)| key.clone()).collect();
        let known = self.feed.shared.ledger.known(self.feed.row.tenant, keys).await?;
        for ((index, event, key), known) in claimed.into_iter().zip(known) {
            if known {
                self.duplicates += 1;
            } else {
                self.keys.push(key);
                free.push((index, event));
            }
        }
        free.sort_by_key(|(index, _)| *index);
        self.send(free).await
    }

    /// Returns whether there still was a way out.
    async fn send(&mut self, events: Vec<(u64, Bytes)>) -> Result<bool, SourceError> {
        if events.is_empty() {
            return Ok(true);
        }
        let Some(out) = &self.out else {
            return Ok(false);
        };
        let all_bytes: usize = events.iter().map(|(_, event)| event.len()).sum();
        let share = EventBatch::share(events.len(), all_bytes.div_ceil(BATCH_BYTES));
        let mut batch = EventBatch::new();
        let mut bytes = 0;
        for (index, event) in events {
            if batch.len() >= share || (!batch.is_empty() && bytes + event.len() > BATCH_BYTES) {
                self.sent += send_batch(self.feed, out, batch.take()).await?;
                bytes = 0;
            }
            bytes += event.len();
            let metadata = EventMetadata::new(Arc::clone(&self.origin), index, self.notifier.finalizer());
            batch.push(LogEvent::new(event, metadata));
        }
        self.sent += send_batch(self.feed, out, batch).await?;
        Ok(true)
    }
}

async fn send_batch(feed: &Feed, out: &SourceSender, batch: EventBatch) -> Result<u64, SourceError> {
    let events = batch.len() as u64;
    out.send_batch(batch)
        .await
        .map_err(|_| SourceError::OutputClosed)?;
    add(&feed.stats.events_sent, events);
    Ok(events)
}

/// All events of a blob have come to an end.
async fn acknowledged(
    feed: &Feed,
    blob: &PendingBlob,
    status: EventStatus,
    keys: Vec<EventKey>,
    sent: u64,
    duplicates: u64,
) -> Result<Outcome, SourceError> {
    let shared = &feed.shared;
    if !status.is_final() {
        let wait = feed.wait(BLOB, blob.attempts + 1, None);
        return again(
            feed,
            blob,
            "the pipeline failed to deliver it".to_owned(),
            wait,
            Why::Transient,
        )
        .await;
    }
    let now = shared.pace.now();
    let delivered = Delivered {
        keys,
        events: sent,
        duplicates,
    };
    shared
        .ledger
        .delivered(
            feed.row.feed,
            feed.row.tenant,
            blob.content_id.clone(),
            delivered,
            now,
        )
        .await?;
    add(&feed.stats.blobs_delivered, 1);
    add(&feed.stats.duplicates_dropped, duplicates);
    telemetry::blob_done(&feed.key, &blob.content_id, sent, duplicates);
    poison::healed(feed, blob).await;
    Ok(Outcome::Final)
}

/// Why a blob is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The service or the pipeline is out of order.
    Transient,
    /// The tenant has sent too many requests.
    Throttled,
    /// The feed is refused.
    Refused,
    /// The blob itself makes no sense.
    Unusable,
}

/// Nothing of the blob was sent.
async fn failed(
    feed: &Feed,
    blob: &PendingBlob,
    error: &ApiError,
    body: Option<Bytes>,
) -> Result<Outcome, SourceError> {
    let shared = &feed.shared;
    let jitter = &shared.jitter;
    let reason = feed.explain(error);
    match error.class() {
        Class::Transient { retry_after } => {
            let wait = feed.wait(BLOB, blob.attempts + 1, retry_after);
            again(feed, blob, reason, wait, Why::Transient).await
        }
        // The budget makes everybody wait.
        Class::Throttled { .. } => again(feed, blob, reason, Duration::ZERO, Why::Throttled).await,
        Class::NoSubscription => {
            feed.lose_subscription();
            let wait = feed.wait(BLOB, blob.attempts + 6, None);
            again(feed, blob, reason, wait, Why::Transient).await
        }
        Class::Unauthorized | Class::Permission => {
            let wait = SLOW.wait(1, None, jitter);
            again(feed, blob, reason.clone(), wait, Why::Refused).await?;
            Ok(Outcome::Refused { reason })
        }
        // When nothing of a feed can be fetched, it is not the blobs that are wrong.
        Class::Unusable
            if error.suggests_wrong_cloud()
                && !feed.row.has_delivered
                && feed.stats.blobs_delivered.load(Ordering::Relaxed) == 0 =>
        {
            let wait = feed.wait(BLOB, blob.attempts + 1, None);
            again(feed, blob, reason, wait, Why::Transient).await
        }
        Class::Expired => lost(feed, blob, true, reason).await,
        Class::Bug if matches!(error, ApiError::Refused(_)) => {
            lost(feed, blob, poison::is_over(feed, blob), reason).await
        }
        Class::Unusable
        | Class::Rejected
        | Class::Window
        | Class::StalePage
        | Class::TooMuch
        | Class::Bug => poison::unusable(feed, blob, reason, body).await,
    }
}

pub(super) async fn again(
    feed: &Feed,
    blob: &PendingBlob,
    reason: String,
    wait: Duration,
    why: Why,
) -> Result<Outcome, SourceError> {
    let now = feed.shared.pace.now();
    let retry = Retry {
        not_before: later(now, wait),
        error: reason.clone(),
        unusable_at: (why == Why::Unusable).then_some(now),
    };
    feed.shared
        .ledger
        .retry(feed.row.feed, blob.content_id.clone(), retry)
        .await?;
    add(&feed.stats.blobs_retried, 1);
    telemetry::blob_failed(&feed.limiter, &feed.key, &blob.content_id, &reason, wait);
    let transient = why == Why::Transient;
    Ok(Outcome::Later { reason, transient })
}

pub(super) async fn lost(
    feed: &Feed,
    blob: &PendingBlob,
    expired: bool,
    reason: String,
) -> Result<Outcome, SourceError> {
    telemetry::blob_lost(&feed.key, &blob.content_id, expired, &reason);
    let counter = if expired {
        &feed.stats.blobs_expired
    } else {
        &feed.stats.blobs_quarantined
    };
    add(counter, 1);
    let now = feed.shared.pace.now();
    feed.shared
        .ledger
        .lost(feed.row.feed, blob.content_id.clone(), expired, reason, now)
        .await?;
    Ok(Outcome::Final)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<'a, F>(_: impl Fn(&'a Feed, PendingBlob, SourceSender) -> F) -> usize {
        size_of::<F>()
    }

    /// After an outage each feed of thousands of tenants has many of them.
    #[test]
    fn a_blob_that_waits_for_its_turn_is_small() {
        let size = size_of_future(deliver);
        assert!(size <= 1_200, "{size} bytes");
    }
}
