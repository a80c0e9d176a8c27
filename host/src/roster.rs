//! What of the pipeline that runs can be looked at and acted on by name. It changes when the pipeline does.

use std::{
    any::Any,
    sync::{Arc, PoisonError, RwLock},
};

use o365_core::ComponentKey;
use o365_source::{O365AuditConfig, Stats};

use crate::{
    topology::Pipeline,
    wasm::{Slot, WasmConfig},
};

/// See the module. Clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Roster(Arc<RwLock<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    audits: Vec<(ComponentKey, Stats)>,
    slots: Vec<Arc<Slot>>,
}

impl Roster {
    /// Of a pipeline that has been built.
    pub fn of(pipeline: &Pipeline) -> Self {
        let roster = Self::default();
        roster.show(pipeline);
        roster
    }

    /// Shows another pipeline from now on, or the same one after it has changed.
    pub fn show(&self, pipeline: &Pipeline) {
        let entries = Entries {
            audits: audits(pipeline)
                .map(|(key, config)| (key.clone(), config.stats.clone()))
                .collect(),
            slots: slots(pipeline).collect(),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    /// What the Office 365 sources say of themselves.
    pub fn audits(&self) -> Vec<(ComponentKey, Stats)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.audits.clone()
    }

    /// The places of the WebAssembly components.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        entries.slots.clone()
    }
}

/// The Office 365 sources of a pipeline.
pub(crate) fn audits(pipeline: &Pipeline) -> impl Iterator<Item = (&ComponentKey, &O365AuditConfig)> {
    pipeline.sources.iter().filter_map(|(key, config)| {
        let config: &dyn Any = config.as_ref();
        Some((key, config.downcast_ref()?))
    })
}

fn slots(pipeline: &Pipeline) -> impl Iterator<Item = Arc<Slot>> {
    pipeline.transforms.values().filter_map(|(_, config)| {
        let config: &dyn Any = config.as_ref();
        config.downcast_ref::<WasmConfig>()?.slot.get()
    })
}
