//! How a source is doing: numbers that a host can show while it runs.
//!
//! What happens is counted where it happens, by feed and by tenant. What only the ledger knows (what waits, what is
//! lost, up to when everything is there) is read from it now and then by the source itself ([`crate::watch`]), so that
//! whoever asks gets an answer at once, however often that is.

mod tenant;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};

pub(crate) use self::tenant::{Request, RequestOutcome, TenantStats};
pub use self::tenant::{RequestCount, TenantSnapshot};
use crate::{
    alarm::Alarm,
    ledger::FeedRecord,
    types::{FeedKey, TenantId},
};

/// The numbers of a source. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    feeds: Mutex<BTreeMap<FeedKey, Arc<FeedStats>>>,
    tenants: Mutex<BTreeMap<TenantId, Arc<TenantStats>>>,
    view: Mutex<Arc<LedgerView>>,
}

/// What the source last saw in its ledger.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct LedgerView {
    /// When; nothing before the first look.
    pub taken: Option<DateTime<Utc>>,
    /// The feeds of the configuration.
    pub feeds: Vec<FeedRecord>,
    /// What needs a person.
    pub alarms: Vec<Alarm>,
}

/// Counters of one feed since the source was started.
#[derive(Debug, Default)]
pub(crate) struct FeedStats {
    pub(crate) windows_listed: AtomicU64,
    pub(crate) blobs_found: AtomicU64,
    pub(crate) blobs_delivered: AtomicU64,
    pub(crate) blobs_retried: AtomicU64,
    pub(crate) blobs_expired: AtomicU64,
    pub(crate) blobs_quarantined: AtomicU64,
    pub(crate) events_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) duplicates_dropped: AtomicU64,
    pub(crate) gaps: AtomicU64,
    cursor: AtomicI64,
    failing: Mutex<Option<Failing>>,
}

/// A feed whose listing fails.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    reason: String,
    in_a_row: u32,
    since: DateTime<Utc>,
}

/// The counters of a feed at one moment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FeedSnapshot {
    /// Directory id of the tenant.
    pub tenant: String,
    /// Content type.
    pub content_type: &'static str,
    /// Everything before has been listed.
    pub cursor: Option<DateTime<Utc>>,
    /// Windows listed.
    pub windows_listed: u64,
    /// Blobs that were not known before.
    pub blobs_found: u64,
    /// Blobs whose events have all been taken.
    pub blobs_delivered: u64,
    /// Attempts that failed and will be repeated.
    pub blobs_retried: u64,
    /// Blobs lost because they expired.
    pub blobs_expired: u64,
    /// Blobs lost because they cannot be used.
    pub blobs_quarantined: u64,
    /// Events handed to the pipeline.
    pub events_sent: u64,
    /// Bytes of blobs received.
    pub bytes_received: u64,
    /// Events dropped because their id was delivered before.
    pub duplicates_dropped: u64,
    /// Spans lost because they could not be listed in time.
    pub gaps: u64,
    /// Why listing fails, if it does.
    pub failure: Option<String>,
    /// How often in a row it has failed.
    pub failures_in_a_row: u32,
    /// When it failed first.
    pub failing_since: Option<DateTime<Utc>>,
}

impl Stats {
    /// All feeds at this moment, by tenant and content type.
    pub fn feeds(&self) -> Vec<FeedSnapshot> {
        let feeds = lock(&self.0.feeds);
        feeds.iter().map(|(key, stats)| stats.snapshot(key)).collect()
    }

    /// All tenants at this moment.
    pub fn tenants(&self) -> Vec<TenantSnapshot> {
        let tenants = lock(&self.0.tenants);
        tenants.iter().map(|(id, stats)| stats.snapshot(id)).collect()
    }

    /// What the source last saw in its ledger, and what it made of it: less than a minute ago while it runs, and
    /// everything when it has ended.
    pub fn ledger(&self) -> Arc<LedgerView> {
        Arc::clone(&lock(&self.0.view))
    }

    pub(crate) fn feed(&self, key: &FeedKey) -> Arc<FeedStats> {
        Arc::clone(lock(&self.0.feeds).entry(key.clone()).or_default())
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Arc<TenantStats> {
        Arc::clone(lock(&self.0.tenants).entry(id.clone()).or_default())
    }

    pub(crate) fn set_ledger(&self, view: LedgerView) {
        *lock(&self.0.view) = Arc::new(view);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since the epoch, with 0 for "not known".
fn instant(millis: &AtomicI64) -> Option<DateTime<Utc>> {
    match millis.load(Ordering::Relaxed) {
        0 => None,
        millis => DateTime::from_timestamp_millis(millis),
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl FeedStats {
    pub(crate) fn set_cursor(&self, cursor: DateTime<Utc>) {
        self.cursor.store(cursor.timestamp_millis(), Ordering::Relaxed);
    }

    pub(crate) fn listing_works(&self) {
        *lock(&self.failing) = None;
    }

    pub(crate) fn listing_failed(&self, reason: String, in_a_row: u32, now: DateTime<Utc>) {
        let mut failing = lock(&self.failing);
        let since = failing.as_ref().map_or(now, |failing| failing.since);
        *failing = Some(Failing {
            reason,
            in_a_row,
            since,
        });
    }

    fn snapshot(&self, key: &FeedKey) -> FeedSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failing = lock(&self.failing).clone();
        FeedSnapshot {
            tenant: key.tenant.to_string(),
            content_type: key.content_type.as_str(),
            cursor: instant(&self.cursor),
            windows_listed: read(&self.windows_listed),
            blobs_found: read(&self.blobs_found),
            blobs_delivered: read(&self.blobs_delivered),
            blobs_retried: read(&self.blobs_retried),
            blobs_expired: read(&self.blobs_expired),
            blobs_quarantined: read(&self.blobs_quarantined),
            events_sent: read(&self.events_sent),
            bytes_received: read(&self.bytes_received),
            duplicates_dropped: read(&self.duplicates_dropped),
            gaps: read(&self.gaps),
            failures_in_a_row: failing.as_ref().map_or(0, |failing| failing.in_a_row),
            failing_since: failing.as_ref().map(|failing| failing.since),
            failure: failing.map(|failing| failing.reason),
        }
    }
}
