//! What each component of a topology has taken in and given out.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

use o365_core::{Account, BatchReceiver, ComponentKey, SourceSender, Traffic};

use super::Pipeline;

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentKind {
    /// Where events come from.
    Source,
    /// What happens to them.
    Transform,
    /// Where they go.
    Sink,
}

impl ComponentKind {
    /// `source`, `transform` or `sink`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// Counters of one component; they go on while the topology runs, and stay when it has ended.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Its name.
    pub component: ComponentKey,
    /// What it is.
    pub kind: ComponentKind,
    /// Its `type` in the configuration.
    pub component_type: &'static str,
    /// What was sent into its channel, and what it took out of it; sources have none.
    pub input: Option<Input>,
    /// What it sent, over all of its outputs; sinks have none.
    pub sent: Option<Arc<Traffic>>,
    /// Events that it gave up on; only transforms do.
    pub failed: Option<Arc<AtomicU64>>,
    /// What became of its events; only sources have it.
    pub account: Option<Arc<Account>>,
}

/// The channel before a component.
#[derive(Debug, Clone)]
pub struct Input {
    /// What was sent into it.
    pub entered: Arc<Traffic>,
    /// What the component took out of it.
    pub received: Arc<Traffic>,
}

impl Input {
    /// Events and bytes that wait.
    pub fn waiting(&self) -> (u64, u64) {
        // What left is read first: it never is ahead of what is read later.
        let (events, bytes) = (self.received.events(), self.received.bytes());
        (
            self.entered.events().saturating_sub(events),
            self.entered.bytes().saturating_sub(bytes),
        )
    }
}

/// The meters of a topology as it is being built.
pub(super) struct Meters(pub(super) Vec<Meter>);

impl Meters {
    /// Of everything that has a channel.
    pub(super) fn new(pipeline: &Pipeline, receivers: &BTreeMap<ComponentKey, BatchReceiver>) -> Self {
        let transforms = pipeline.transforms.iter().map(|(key, (_, config))| {
            let component_type = config.describe().component_type;
            (key, ComponentKind::Transform, component_type)
        });
        let sinks = pipeline
            .sinks
            .iter()
            .map(|(key, (_, config))| (key, ComponentKind::Sink, config.describe().component_type));
        let meters = transforms.chain(sinks).map(|(key, kind, component_type)| Meter {
            component: key.clone(),
            kind,
            component_type,
            input: receivers.get(key).map(|receiver| {
                let (entered, received) = receiver.traffic();
                Input { entered, received }
            }),
            sent: (kind == ComponentKind::Transform).then(Arc::default),
            failed: (kind == ComponentKind::Transform).then(Arc::default),
            account: None,
        });
        Self(meters.collect())
    }

    pub(super) fn add_source(
        &mut self,
        key: &ComponentKey,
        component_type: &'static str,
        out: &SourceSender,
    ) {
        self.0.push(Meter {
            component: key.clone(),
            kind: ComponentKind::Source,
            component_type,
            input: None,
            sent: Some(out.traffic()),
            failed: None,
            account: Some(out.account()),
        });
    }

    pub(super) fn sent(&self, key: &ComponentKey) -> Arc<Traffic> {
        self.of(key)
            .and_then(|meter| meter.sent.clone())
            .unwrap_or_default()
    }

    pub(super) fn failed(&self, key: &ComponentKey) -> Arc<AtomicU64> {
        self.of(key)
            .and_then(|meter| meter.failed.clone())
            .unwrap_or_default()
    }

    fn of(&self, key: &ComponentKey) -> Option<&Meter> {
        self.0.iter().find(|meter| meter.component == *key)
    }
}
