//! How the configuration was read again. The names are Prometheus' own for its configuration.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::family::{Family, seconds};
use crate::reloads::Reloads;

const RELOADS: Family = Family::counter(
    "config_reloads",
    &["result"],
    "Times that the configuration was read again: `applied`, `unchanged` or `refused`",
);
const SUCCESSFUL: Family = Family::gauge(
    "config_last_reload_successful",
    &[],
    "1, or 0 if the configuration was refused when it was last read again and the one before goes on",
);
const SUCCEEDED: Family = Family::gauge(
    "config_last_reload_success_timestamp_seconds",
    &[],
    "When it was last read again and not refused, in seconds since 1970",
);

pub(super) fn families() -> Vec<Family> {
    vec![RELOADS, SUCCESSFUL, SUCCEEDED]
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reloaded(pub(super) Reloads);

impl Collector for Reloaded {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let counts = self.0.counts();
        let results = [
            ("applied", counts.applied),
            ("unchanged", counts.unchanged),
            ("refused", counts.refused),
        ];
        let samples = results.map(|(result, count)| (vec![("result", result)], count as f64));
        RELOADS.write(encoder, samples)?;
        let successful = if counts.is_refused { 0.0 } else { 1.0 };
        SUCCESSFUL.write(encoder, [(Vec::new(), successful)])?;
        SUCCEEDED.write(encoder, counts.succeeded.map(|at| (Vec::new(), seconds(at))))
    }
}
