//! The ends of what runs, by name, held weakly: a component still ends when its upstream does.

use std::collections::BTreeMap;

use o365_core::{BatchSender, ComponentKey, ShutdownTrigger, WeakBatchSender};

use super::{OutputId, fanout::Outlet};

/// What a change of the pipeline takes hold of.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    /// The channels before transforms and sinks.
    pub(super) inlets: BTreeMap<ComponentKey, WeakBatchSender>,
    /// The outputs of sources and transforms.
    pub(super) outlets: BTreeMap<OutputId, Outlet>,
    /// What stops each source.
    pub(super) triggers: BTreeMap<ComponentKey, ShutdownTrigger>,
}

impl Wiring {
    /// Senders into everything that still takes events. As long as they are held, it does not end.
    pub(super) fn senders(&self) -> BTreeMap<ComponentKey, BatchSender> {
        let alive = self.inlets.iter().filter_map(|(key, inlet)| {
            let sender = inlet.upgrade()?;
            (!sender.is_closed()).then(|| (key.clone(), sender))
        });
        alive.collect()
    }

    /// Forgets a component.
    pub(super) fn remove(&mut self, key: &ComponentKey) {
        self.inlets.remove(key);
        self.triggers.remove(key);
        self.outlets.retain(|output, _| output.component != *key);
    }

    /// Adds other components.
    pub(super) fn extend(&mut self, other: Self) {
        self.inlets.extend(other.inlets);
        self.outlets.extend(other.outlets);
        self.triggers.extend(other.triggers);
    }
}
