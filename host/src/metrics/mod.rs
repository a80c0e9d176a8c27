//! Metrics in the text format of `OpenMetrics`, which Prometheus reads.
//!
//! Nothing is counted here. Numbers are read where they are kept, at each scrape: from the meters of the topology, and
//! from the statistics of each Office 365 source. A family is an entry of a table with its name, labels and meaning, so
//! that `docs/reference/metrics.md` can be checked against what is written. Labels hold ids, names and words of ours, never
//! texts of the service.

mod audit;
mod components;
mod family;
mod file;
mod process;
mod reload;
mod topology;
mod traces;

use std::sync::Arc;

use o365_core::Clock;
use prometheus_client::registry::Registry;

use self::{audit::Audits, components::Slots, process::Process, topology::Components, traces::Spans};
pub use self::{family::Family, file::MetricsFile};
use crate::{reloads::Reloads, roster::Roster, telemetry::TraceCounts, topology::Topology};

/// What every name begins with.
const PREFIX: &str = "o365";
/// What [`Metrics::text`] is, for HTTP.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a process that runs a topology.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: Arc<Process>,
}

impl Metrics {
    /// Of a topology, of the Office 365 sources and the WebAssembly components in it, and of how it has changed.
    pub fn new(topology: &Topology, roster: Roster, reloads: Reloads, clock: Arc<dyn Clock>) -> Self {
        let process = Arc::new(Process::new(clock));
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Arc::clone(&process)));
        registry.register_collector(Box::new(reload::Reloaded(reloads)));
        registry.register_collector(Box::new(Components::new(topology)));
        registry.register_collector(Box::new(Slots(roster.clone())));
        registry.register_collector(Box::new(Audits(roster)));
        Self { registry, process }
    }

    /// Also of traces that are exported.
    pub fn add_traces(&mut self, counts: Arc<TraceCounts>) {
        self.registry.register_collector(Box::new(Spans(counts)));
    }

    /// The run has ended.
    pub fn ended(&self, success: bool) {
        self.process.ended(success);
    }

    /// All of them as they are now.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail, and our collectors do not either.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Every family that there can be.
    pub fn families() -> Vec<Family> {
        let mut families = process::families();
        families.extend(reload::families());
        families.extend(topology::families());
        families.extend(components::families());
        families.extend(audit::families());
        families.extend(traces::families());
        families
    }
}

#[cfg(test)]
mod tests;
