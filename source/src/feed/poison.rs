//! Blobs that are not there or make no sense.
//!
//! Such a blob gets some attempts over some time. Then it is set aside: kept as it came, named in the log, and tried
//! again by back-off until it expires. It holds up nobody, and a run that has to end ends well.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Feed,
    delivery::{BLOB, Outcome, Why, again, lost},
};
use o365_core::backoff::Backoff;

use crate::{
    error::{SourceError, chain},
    ledger::{PendingBlob, SetAside, assumed_expiration},
    pace::later,
    quarantine::Label,
    stats::add,
    telemetry,
};

/// Waits of a blob that is set aside.
const SET_ASIDE: Backoff = Backoff::secs(1_200, 3_600);
/// When running once, a blob is tried so often at most, and for so long. The waits between are those of [`BLOB`].
const HANDFUL: u32 = 5;
const ONCE_PATIENCE: Duration = Duration::from_secs(100);
/// When running once, a blob that was set aside has one try.
const NOT_IN_THIS_RUN: Duration = Duration::from_hours(1);

/// Whether the service does not promise to have the blob any more.
pub(super) fn is_over(feed: &Feed, blob: &PendingBlob) -> bool {
    blob.expiration
        .unwrap_or_else(|| assumed_expiration(blob.created))
        < feed.shared.pace.calendar()
}

/// An attempt found no sense in a blob.
pub(super) async fn unusable(
    feed: &Feed,
    blob: &PendingBlob,
    reason: String,
    body: Option<Bytes>,
) -> Result<Outcome, SourceError> {
    if is_over(feed, blob) {
        return lost(feed, blob, true, reason).await;
    }
    if blob.quarantined {
        return set_aside(feed, blob, reason, body).await;
    }
    match next_try(feed, blob) {
        Some(wait) => again(feed, blob, reason, wait, Why::Unusable).await,
        None => set_aside(feed, blob, reason, body).await,
    }
}

/// In how long a blob is tried again before it is set aside, if it is.
fn next_try(feed: &Feed, blob: &PendingBlob) -> Option<Duration> {
    let settings = &feed.shared.settings;
    let now = feed.shared.pace.now();
    let attempts = blob.unusable + 1;
    let since = blob.unusable_since.unwrap_or(now);
    let wait = BLOB.wait(attempts, None, &feed.shared.jitter);
    if feed.once() {
        let enough = attempts >= settings.quarantine_attempts.min(HANDFUL)
            || later(now, wait) > later(since, ONCE_PATIENCE)
            || feed.gives_up(wait);
        return (!enough).then_some(wait);
    }
    if attempts < settings.quarantine_attempts {
        return Some(wait.max(settings.quarantine_after / settings.quarantine_attempts));
    }
    let patience = later(since, settings.quarantine_after);
    (now < patience).then(|| feed.shared.pace.until(patience))
}

async fn set_aside(
    feed: &Feed,
    blob: &PendingBlob,
    reason: String,
    body: Option<Bytes>,
) -> Result<Outcome, SourceError> {
    let shared = &feed.shared;
    let now = shared.pace.now();
    let attempts = blob.attempts + 1;
    let label = Label {
        tenant: feed.key.tenant.to_string(),
        tenant_name: feed.tenant.name.clone(),
        content_type: feed.key.content_type.to_string(),
        content_id: blob.content_id.clone(),
        content_created: blob.created,
        content_expiration: blob.expiration,
        reason: reason.clone(),
        attempts,
        set_aside: now,
        body_bytes: body.as_ref().map(Bytes::len),
    };
    // The files first: what the ledger names is there. An answer without a body does not replace one that is kept.
    let kept = if blob.kept.is_some() && body.is_none() {
        blob.kept.clone()
    } else {
        match shared.quarantine.keep(&feed.key, label, body).await {
            Ok(name) => Some(name),
            Err(error) => {
                if feed.limiter.allow("quarantine").is_some() {
                    telemetry::quarantine_failed(&chain(&error));
                }
                None
            }
        }
    };
    let wait = SET_ASIDE.wait(blob.unusable.max(1), None, &shared.jitter);
    let wait = if feed.once() { NOT_IN_THIS_RUN } else { wait };
    // One loud line for each blob; a single run names what it leaves behind.
    if !blob.quarantined || feed.once() {
        telemetry::blob_set_aside(&feed.key, &blob.content_id, attempts, kept.as_deref(), &reason);
    } else {
        telemetry::blob_failed(&feed.limiter, &feed.key, &blob.content_id, &reason, wait);
    }
    if !blob.quarantined {
        add(&feed.stats.blobs_quarantined, 1);
    }
    let aside = SetAside {
        not_before: later(now, wait),
        reason,
        kept,
    };
    shared
        .ledger
        .set_aside(feed.row.feed, blob.content_id.clone(), aside, now)
        .await?;
    Ok(Outcome::Final)
}

/// A blob is delivered: nothing of it is kept.
pub(super) async fn healed(feed: &Feed, blob: &PendingBlob) {
    if blob.quarantined {
        telemetry::blob_healed(&feed.key, &blob.content_id);
    }
    // What cannot be removed now is removed at the next start.
    if let Some(name) = &blob.kept
        && let Err(error) = feed.shared.quarantine.remove(name.clone()).await
        && feed.limiter.allow("quarantine").is_some()
    {
        telemetry::quarantine_failed(&chain(&error));
    }
}
