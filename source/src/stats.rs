//! How a source is doing: numbers that a host can show while it runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};

use crate::types::FeedKey;

/// Counters of all feeds. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Mutex<BTreeMap<FeedKey, Arc<FeedStats>>>>);

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
    failure: Mutex<Option<String>>,
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
    /// Why the feed fails, if it does.
    pub failure: Option<String>,
}

impl Stats {
    /// All feeds at this moment, by tenant and content type.
    pub fn snapshot(&self) -> Vec<FeedSnapshot> {
        let feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.iter().map(|(key, stats)| stats.snapshot(key)).collect()
    }

    pub(crate) fn feed(&self, key: &FeedKey) -> Arc<FeedStats> {
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(feeds.entry(key.clone()).or_default())
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl FeedStats {
    pub(crate) fn set_cursor(&self, cursor: DateTime<Utc>) {
        self.cursor.store(cursor.timestamp_millis(), Ordering::Relaxed);
    }

    pub(crate) fn set_failure(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn snapshot(&self, key: &FeedKey) -> FeedSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FeedSnapshot {
            tenant: key.tenant.to_string(),
            content_type: key.content_type.as_str(),
            cursor: match self.cursor.load(Ordering::Relaxed) {
                0 => None,
                millis => DateTime::from_timestamp_millis(millis),
            },
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
            failure: self
                .failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}
