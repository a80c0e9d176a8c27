//! What becomes of the spans of traces; only while they are exported.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::family::Family;
use crate::telemetry::TraceCounts;

const EXPORTED: Family = Family::counter(
    "trace_spans_exported",
    &[],
    "Spans of traces that the receiver has taken; only if there is `telemetry.traces`",
);
const DROPPED: Family = Family::counter(
    "trace_spans_dropped",
    &["reason"],
    "Spans of traces that were dropped: `queue_full` (too many waited) or `export_failed`",
);

pub(super) fn families() -> Vec<Family> {
    vec![EXPORTED, DROPPED]
}

/// See the module.
#[derive(Debug)]
pub(super) struct Spans(pub(super) Arc<TraceCounts>);

impl Collector for Spans {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &self.0;
        EXPORTED.write(&mut encoder, [(Vec::new(), counts.exported() as f64)])?;
        let dropped = [
            ("queue_full", counts.queue_full()),
            ("export_failed", counts.export_failed()),
        ];
        let samples = dropped.map(|(reason, spans)| (vec![("reason", reason)], spans as f64));
        DROPPED.write(&mut encoder, samples)
    }
}
