//! A pipeline: planned, built, run.
//!
//! 1. [`plan()`] is pure: names resolve, there is no cycle, everything leads somewhere.
//! 2. [`build()`] makes every component; nothing runs, nothing is requested, nothing is written.
//! 3. [`Topology::run`] runs one named task for each component until the sources have ended and
//!    everything has flowed out.

mod build;
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

use std::{path::PathBuf, sync::Arc};

pub use build::{BuildFailure, Environment, build};
pub(crate) use ends::{entry, inputs_within};
use indexmap::IndexMap;
pub use meter::{ComponentKind, Input, Meter};
use o365_core::{
    ComponentKey,
    config::{SinkConfig, SourceConfig, TransformConfig},
};
pub use plan::{Place, Plan, PlanProblem, plan};
pub(crate) use run::COMPONENT_TARGET;
pub use run::{RunError, Topology};

use crate::{enrichment::TableConfig, time_zone::DefaultTimeZone};

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
