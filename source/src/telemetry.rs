//! Everything that the crate says in logs: fields first, then a sentence. No secrets, no bodies, no event's contents.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::{
    alarm::Alarm,
    auth::{AuthError, Claims},
    error::{ApiError, Operation, chain},
    types::{FeedKey, TenantId, Window},
};

/// How often the same may be said.
const REPEAT_AFTER: Duration = Duration::from_mins(1);

/// Holds repetitions back.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl Limiter {
    /// Whether `what` may be said now, and how often it was held back before.
    pub(crate) fn allow(&self, what: &'static str) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match said.get_mut(what) {
            Some((last, held_back)) if now - *last < REPEAT_AFTER => {
                *held_back += 1;
                None
            }
            Some((last, held_back)) => {
                *last = now;
                Some(std::mem::take(held_back))
            }
            None => {
                said.insert(what, (now, 0));
                Some(0)
            }
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).round() / 10.0
}

pub(crate) fn started(feeds: usize, tenants: usize) {
    info!(feeds, tenants, "source started");
}

pub(crate) fn stopped(incomplete: usize) {
    info!(incomplete, "source stopped");
}

pub(crate) fn certificate(thumbprint: &str, not_after: DateTime<Utc>, now: DateTime<Utc>) {
    let days_left = (not_after - now).num_days();
    if days_left < 30 {
        warn!(thumbprint, %not_after, days_left, "the certificate expires soon");
    } else {
        info!(thumbprint, %not_after, "certificate loaded");
    }
}

pub(crate) fn readable_by_others(path: &std::path::Path) {
    warn!(path = %path.display(), "the file holds a secret and others may read it: chmod 600");
}

pub(crate) fn token_obtained(tenant: &TenantId, life: Duration, claims: Option<&Claims>) {
    info!(%tenant, life_seconds = life.as_secs(), "access token obtained");
    match claims {
        None => warn!(%tenant, "the access token cannot be decoded, its roles are not checked"),
        Some(claims) if claims.roles.is_empty() => warn!(
            %tenant,
            "the access token has no roles: grant the application permission ActivityFeed.Read with admin consent"
        ),
        Some(_) => {}
    }
}

pub(crate) fn token_failed(tenant: &TenantId, failure: &AuthError, wait: Duration) {
    warn!(
        %tenant,
        error = %chain(failure),
        hint = failure.advice(),
        retry_seconds = seconds(wait),
        "no access token"
    );
}

pub(crate) fn token_refused(tenant: &TenantId, operation: Operation) {
    info!(%tenant, operation = operation.as_str(), "access token refused, getting a new one");
}

pub(crate) fn throttled(limiter: &Limiter, tenant: &TenantId, pause: Duration) {
    if let Some(repeated) = limiter.allow("throttled") {
        warn!(%tenant, pause_seconds = seconds(pause), repeated, "throttled, the whole tenant pauses");
    }
}

pub(crate) fn clock_skew(limiter: &Limiter, tenant: &TenantId, skew: TimeDelta) {
    if let Some(repeated) = limiter.allow("clock skew") {
        warn!(
            %tenant,
            skew_seconds = skew.num_seconds(),
            repeated,
            "the clocks of this machine and of the service differ"
        );
    }
}

pub(crate) fn subscription_started(feed: &FeedKey) {
    info!(tenant = %feed.tenant, content_type = %feed.content_type, "subscription started");
}

pub(crate) fn listed(feed: &FeedKey, window: Window, blobs: usize) {
    debug!(tenant = %feed.tenant, content_type = %feed.content_type, %window, blobs, "window listed");
}

pub(crate) fn window_failed(limiter: &Limiter, feed: &FeedKey, window: Window, failure: &ApiError) {
    if let Some(repeated) = limiter.allow("window") {
        warn!(
            tenant = %feed.tenant,
            content_type = %feed.content_type,
            %window,
            error = %chain(failure),
            repeated,
            "listing failed"
        );
    }
}

pub(crate) fn feed_failing(limiter: &Limiter, feed: &FeedKey, reason: &str, wait: Duration) {
    if let Some(repeated) = limiter.allow("feed") {
        warn!(
            tenant = %feed.tenant,
            content_type = %feed.content_type,
            error = reason,
            retry_seconds = seconds(wait),
            repeated,
            "the feed cannot be listed"
        );
    }
}

pub(crate) fn odd_descriptors(limiter: &Limiter, feed: &FeedKey, count: usize) {
    if let Some(repeated) = limiter.allow("descriptors") {
        error!(
            tenant = %feed.tenant,
            content_type = %feed.content_type,
            count,
            repeated,
            "the service listed blobs without an id"
        );
    }
}

pub(crate) fn gap(feed: &FeedKey, from: DateTime<Utc>, to: DateTime<Utc>) {
    error!(
        tenant = %feed.tenant,
        content_type = %feed.content_type,
        from = %from.to_rfc3339(),
        to = %to.to_rfc3339(),
        "a span could not be listed in time: its events are lost"
    );
}

pub(crate) fn blob_lost(feed: &FeedKey, content_id: &str, expired: bool, reason: &str) {
    error!(
        tenant = %feed.tenant,
        content_type = %feed.content_type,
        content_id,
        expired,
        error = reason,
        "a blob is lost"
    );
}

pub(crate) fn blob_failed(limiter: &Limiter, feed: &FeedKey, content_id: &str, reason: &str, wait: Duration) {
    if let Some(repeated) = limiter.allow("blob") {
        warn!(
            tenant = %feed.tenant,
            content_type = %feed.content_type,
            content_id,
            error = reason,
            retry_seconds = seconds(wait),
            repeated,
            "a blob could not be delivered, it is tried again"
        );
    }
}

pub(crate) fn blob_odd(feed: &FeedKey, content_id: &str, oddities: &[&'static str]) {
    warn!(
        tenant = %feed.tenant,
        content_type = %feed.content_type,
        content_id,
        oddities = oddities.join(", "),
        "a blob is odd, its events are delivered nevertheless"
    );
}

pub(crate) fn blob_done(feed: &FeedKey, content_id: &str, events: u64, duplicates: u64) {
    debug!(
        tenant = %feed.tenant,
        content_type = %feed.content_type,
        content_id,
        events,
        duplicates,
        "blob delivered"
    );
}

pub(crate) fn feed_incomplete(feed: &FeedKey, reason: &str) {
    error!(tenant = %feed.tenant, content_type = %feed.content_type, error = reason, "the feed is not complete");
}

pub(crate) fn blob_set_aside(
    feed: &FeedKey,
    content_id: &str,
    attempts: u32,
    kept: Option<&str>,
    reason: &str,
) {
    error!(
        tenant = %feed.tenant,
        content_type = %feed.content_type,
        content_id,
        attempts,
        kept,
        error = reason,
        "gave up on a blob that makes no sense: it is quarantined, and tried again now and then until its time is over"
    );
}

pub(crate) fn blob_healed(feed: &FeedKey, content_id: &str) {
    info!(
        tenant = %feed.tenant,
        content_type = %feed.content_type,
        content_id,
        "a blob that was quarantined is delivered after all"
    );
}

/// A blob that was set aside and could not be had until its time was over.
pub(crate) fn quarantined_expired(tenant: &str, content_type: &str, content_id: &str, reason: &str) {
    error!(
        tenant,
        content_type,
        content_id,
        error = reason,
        "a quarantined blob has expired: its events are lost"
    );
}

pub(crate) fn quarantine_failed(reason: &str) {
    error!(
        error = reason,
        "the quarantine folder could not be written or tidied: blobs that make no sense are not kept as they came"
    );
}

pub(crate) fn room_for_backfill(requests_per_minute: u32) {
    info!(
        requests_per_minute,
        "a backfill runs beside this collection, which leaves it so many requests of each tenant"
    );
}

pub(crate) fn waits_for_room(wait: Duration) {
    info!(
        wait_seconds = wait.as_secs(),
        "a collection runs: it makes room, and the first request goes out after a wait"
    );
}

pub(crate) fn backfills_unknown(limiter: &Limiter, reason: &str) {
    if let Some(repeated) = limiter.allow("backfills") {
        warn!(
            error = reason,
            repeated, "whether a backfill runs beside this collection is not known"
        );
    }
}

pub(crate) fn ledger_not_read(limiter: &Limiter, reason: &str) {
    if let Some(repeated) = limiter.allow("ledger") {
        warn!(
            error = reason,
            repeated, "the ledger could not be read: metrics of it are old"
        );
    }
}

pub(crate) fn alarm(alarm: &Alarm) {
    error!(
        alarm = alarm.kind.as_str(),
        tenant = alarm.tenant,
        content_type = alarm.content_type,
        hint = alarm.kind.advice(),
        "{}",
        alarm.text
    );
}

pub(crate) fn alarm_over(alarm: &Alarm) {
    info!(
        alarm = alarm.kind.as_str(),
        tenant = alarm.tenant,
        content_type = alarm.content_type,
        "an alarm is over"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repetitions_are_counted_and_held_back() {
        let limiter = Limiter::default();
        assert_eq!(limiter.allow("a"), Some(0));
        assert_eq!(limiter.allow("a"), None);
        assert_eq!(limiter.allow("b"), Some(0));
        tokio::time::advance(REPEAT_AFTER).await;
        assert_eq!(limiter.allow("a"), Some(1));
    }
}
