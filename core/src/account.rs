//! What became of the events of a source, counted where their acknowledgements end: nothing can leave the pipeline without
//! being counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::finalize::EventStatus;

/// Numbers since the start, shared by who counts and who shows.
///
/// `begun + copied = ended in any way + in flight`, always: a copy, as a fan-out makes it, ends on its own.
#[derive(Debug, Default)]
pub struct Account {
    begun: AtomicU64,
    copied: AtomicU64,
    ended: [AtomicU64; 4],
}

impl Account {
    /// Events that the source has made.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Copies of events that were made on their way.
    pub fn copied(&self) -> u64 {
        self.copied.load(Ordering::Relaxed)
    }

    /// Events and copies whose journey ended like this.
    pub fn ended(&self, status: EventStatus) -> u64 {
        self.ended[status as usize].load(Ordering::Relaxed)
    }

    /// Events and copies that are on their way.
    pub fn in_flight(&self) -> u64 {
        // What ended is read first: it never is ahead of what is read later.
        let ended: u64 = self.ended.iter().map(|count| count.load(Ordering::Acquire)).sum();
        (self.begun() + self.copied()).saturating_sub(ended)
    }

    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn copy(&self) {
        self.copied.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, status: EventStatus) {
        self.ended[status as usize].fetch_add(1, Ordering::Release);
    }
}
