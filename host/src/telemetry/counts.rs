//! What becomes of spans: exported, or dropped and why. Never in the way of the pipeline.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tracing::warn;

/// Spans that may wait to be exported, or are being exported.
pub(super) const QUEUE: usize = 4_096;
/// How often failures are told.
const REPEAT_AFTER: Duration = Duration::from_mins(1);
/// A collector may answer with a page; that much of it is told.
const MAX_REASON: usize = 300;

/// See the module. Counters begin with the process.
#[derive(Debug, Default)]
pub struct TraceCounts {
    waiting: AtomicUsize,
    exported: AtomicU64,
    queue_full: AtomicU64,
    export_failed: AtomicU64,
    told: Mutex<Option<Told>>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    dropped: u64,
}

impl TraceCounts {
    /// Spans that the collector has taken.
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that were dropped because too many waited.
    pub fn queue_full(&self) -> u64 {
        self.queue_full.load(Ordering::Relaxed)
    }

    /// Spans that were dropped because the collector did not take them.
    pub fn export_failed(&self) -> u64 {
        self.export_failed.load(Ordering::Relaxed)
    }

    fn dropped(&self) -> u64 {
        self.queue_full() + self.export_failed()
    }

    /// Whether one more span may wait; counts it, or that it is dropped.
    fn enter(&self) -> bool {
        let room = |waiting: usize| (waiting < QUEUE).then_some(waiting + 1);
        let entered = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok();
        if !entered {
            self.queue_full.fetch_add(1, Ordering::Relaxed);
        }
        entered
    }

    /// So many spans do not wait any more.
    fn leave(&self, spans: usize, result: &OTelSdkResult) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let counter = if result.is_ok() {
            &self.exported
        } else {
            &self.export_failed
        };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
        let reason = match result {
            Ok(()) => "more spans than can be exported".to_owned(),
            Err(error) => {
                let text = error.to_string();
                text.chars()
                    .filter(|c| !c.is_control())
                    .take(MAX_REASON)
                    .collect()
            }
        };
        if let Some(dropped) = self.to_tell(Instant::now()) {
            warn!(
                error = reason,
                dropped,
                "spans of traces were dropped: is the receiver of `telemetry.traces.otlp` well? The pipeline goes on"
            );
        }
    }

    /// How many spans were dropped since it was told last, if it is time to tell.
    fn to_tell(&self, now: Instant) -> Option<u64> {
        let dropped = self.dropped();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, quiet) = match &*told {
            Some(told) => (told.dropped, now.duration_since(told.at) >= REPEAT_AFTER),
            None => (0, true),
        };
        if dropped == before || !quiet {
            return None;
        }
        *told = Some(Told { at: now, dropped });
        Some(dropped - before)
    }
}

/// Lets spans through to a processor as long as not too many wait. The processor has room for all of these, so it drops none
/// itself, which nobody could count.
#[derive(Debug)]
pub(super) struct Gate<P> {
    pub(super) inner: P,
    pub(super) counts: Arc<TraceCounts>,
}

impl<P: SpanProcessor> SpanProcessor for Gate<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        // What is not sampled is not exported either.
        if span.span_context.is_sampled() && self.counts.enter() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what an exporter does.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) inner: E,
    pub(super) counts: Arc<TraceCounts>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        self.counts.leave(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    #[test]
    fn every_span_is_exported_or_dropped_for_a_reason() {
        let counts = TraceCounts::default();
        let entered = (0..QUEUE + 7).filter(|_| counts.enter()).count();
        assert_eq!((entered, counts.queue_full()), (QUEUE, 7));
        counts.leave(100, &Ok(()));
        counts.leave(20, &Err(OTelSdkError::InternalFailure("no".to_owned())));
        assert_eq!((counts.exported(), counts.export_failed()), (100, 20));
        let room = (0..200).filter(|_| counts.enter()).count();
        assert_eq!(room, 120);
    }

    #[test]
    fn that_spans_are_dropped_is_told_once_a_minute_with_their_number() {
        let counts = TraceCounts::default();
        let start = Instant::now();
        assert_eq!(counts.to_tell(start), None);
        counts.queue_full.store(3, Ordering::Relaxed);
        assert_eq!(counts.to_tell(start), Some(3));
        counts.export_failed.store(5, Ordering::Relaxed);
        assert_eq!(counts.to_tell(start + REPEAT_AFTER / 2), None);
        assert_eq!(counts.to_tell(start + REPEAT_AFTER), Some(5));
        assert_eq!(counts.to_tell(start + REPEAT_AFTER * 2), None, "nothing new");
    }
}
