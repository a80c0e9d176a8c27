//! A pipeline: planned, built, run.
//!
//! 1. [`plan()`] is pure: names resolve, there is no cycle, everything leads somewhere.
//! 2. [`build()`] makes every component; nothing runs, nothing is requested, nothing is written.
//! 3. [`Topology::run`] runs one named task for each component until the sources have ended and
//!    everything has flowed out.
//! 4. [`Control::change`] lets another pipeline take over from the one that runs: what is the same in both goes on
//!    (`difference.rs` says what that is), the rest drains and is replaced (`change.rs`).

mod build;
mod change;
mod difference;
mod ends;
mod fanout;
pub(crate) mod inputs;
mod meter;
mod plan;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod trace;
mod wiring;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

pub use build::{BuildFailure, Environment, build};
pub use change::{ChangeError, Control};
pub use difference::Difference;
pub(crate) use ends::{entry, inputs_within};
use indexmap::IndexMap;
pub use meter::{ComponentKind, Input, Meter, Meters};
use o365_core::{
    ComponentKey,
    config::{SinkConfig, SourceConfig, TransformConfig},
};
pub use plan::{Place, Plan, PlanProblem, plan};
pub(crate) use run::COMPONENT_TARGET;
pub use run::{RunError, Topology};

use crate::{config::Fingerprint, enrichment::TableConfig, time_zone::DefaultTimeZone};

/// What is to be run: components and who reads from whom.
#[derive(Debug, Default)]
pub struct Pipeline {
    /// Where events come from.
    pub sources: IndexMap<ComponentKey, Box<dyn SourceConfig>>,
    /// What happens to them.
    pub transforms: IndexMap<ComponentKey, (Vec<String>, Box<dyn TransformConfig>)>,
    /// Where they go.
    pub sinks: IndexMap<ComponentKey, (Vec<String>, Box<dyn SinkConfig>)>,
    /// What programs look up.
    pub enrichment_tables: IndexMap<ComponentKey, Arc<dyn TableConfig>>,
    /// The zone of timestamps that have none.
    pub timezone: DefaultTimeZone,
    /// Threads for each transform; at least 1.
    pub workers: usize,
    /// Directory of the configuration file.
    pub config_dir: PathBuf,
    /// Ledgers, dead letters, compiled components.
    pub data_dir: PathBuf,
    /// What each component was configured with, to find what another pipeline has in common with this one.
    pub fingerprints: BTreeMap<ComponentKey, Fingerprint>,
    /// The same for what programs use besides their own options.
    pub program_fingerprint: Fingerprint,
}

impl Pipeline {
    /// The names of all components.
    pub fn keys(&self) -> BTreeSet<ComponentKey> {
        self.sources.keys().chain(self.readers()).cloned().collect()
    }

    /// The names of everything that reads.
    fn readers(&self) -> impl Iterator<Item = &ComponentKey> {
        self.transforms.keys().chain(self.sinks.keys())
    }

    /// Takes over the components of `running` that `difference` has kept: they are what runs.
    pub fn keep(&mut self, mut running: Self, difference: &Difference) {
        for key in &difference.kept {
            if let (Some(new), Some(old)) = (self.sources.get_mut(key), running.sources.swap_remove(key)) {
                *new = old;
            }
            if let (Some(new), Some(old)) =
                (self.transforms.get_mut(key), running.transforms.swap_remove(key))
            {
                new.1 = old.1;
            }
            if let (Some(new), Some(old)) = (self.sinks.get_mut(key), running.sinks.swap_remove(key)) {
                new.1 = old.1;
            }
        }
    }
}

/// One output of a component: `name`, or `name.port` for a named one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputId {
    /// The component.
    pub component: ComponentKey,
    /// The named output, if it is not the default one.
    pub port: Option<Arc<str>>,
}

impl std::fmt::Display for OutputId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.port {
            Some(port) => write!(f, "{}.{port}", self.component),
            None => write!(f, "{}", self.component),
        }
    }
}
