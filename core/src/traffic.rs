//! What has passed a point of the pipeline.

use std::sync::atomic::{AtomicU64, Ordering};

/// Batches, events and bytes that have passed, since the start. Shared by who counts and who shows.
#[derive(Debug, Default)]
pub struct Traffic {
    batches: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// Counts a batch of so many events and bytes; one without events is none.
    pub fn add(&self, events: u64, bytes: u64) {
        if events == 0 {
            return;
        }
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Number of batches.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Number of events.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Bytes of memory that their documents took, roughly.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
