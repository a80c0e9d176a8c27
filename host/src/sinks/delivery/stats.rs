//! What a sink has done, for the metrics.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use o365_core::Traffic;

/// Numbers since the start, shared by the sink and who shows them.
#[derive(Debug, Default)]
pub struct SinkStats {
    /// Events that the destination has taken, and their bytes as they are sent.
    pub sent: Arc<Traffic>,
    refused: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
    in_flight: AtomicU64,
    limit: AtomicU64,
}

impl SinkStats {
    /// A request that goes on until the guard is dropped.
    pub(in crate::sinks) fn request(&self) -> InFlight<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    pub(in crate::sinks) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, events: u64) {
        self.refused.fetch_add(events, Ordering::Relaxed);
    }

    pub(in crate::sinks) fn set_limit(&self, requests: usize) {
        self.limit.store(requests as u64, Ordering::Relaxed);
    }

    /// Events that the destination will never take.
    pub fn refused_events(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Requests, with those that were sent again.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Requests that were sent again.
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Requests that go on.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that may go on at a time; 0 if the sink makes none.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }
}

/// See [`SinkStats::request`].
pub(in crate::sinks) struct InFlight<'s>(&'s SinkStats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
