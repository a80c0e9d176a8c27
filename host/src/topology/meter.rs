//! What each component of a topology has taken in and given out.

use std::sync::{Arc, PoisonError, RwLock, atomic::AtomicU64};

use o365_core::{Account, ComponentKey, Traffic};

use crate::sinks::delivery::SinkStats;

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
    /// What it has sent out of the pipeline; only sinks have it.
    pub delivery: Option<Arc<SinkStats>>,
    /// What became of its events; only sources have it.
    pub account: Option<Arc<Account>>,
}

impl Meter {
    /// One that has counted nothing.
    pub(super) fn new(component: &ComponentKey, kind: ComponentKind) -> Self {
        let (is_source, is_sink) = (kind == ComponentKind::Source, kind == ComponentKind::Sink);
        Self {
            component: component.clone(),
            kind,
            component_type: "",
            input: (!is_source).then(Input::default),
            sent: (!is_sink).then(Arc::default),
            failed: (kind == ComponentKind::Transform).then(Arc::default),
            delivery: is_sink.then(Arc::default),
            account: is_source.then(Arc::default),
        }
    }
}

/// The channel before a component.
#[derive(Debug, Clone, Default)]
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

/// The meters of everything that runs, shared by who changes it and who shows it.
#[derive(Debug, Clone, Default)]
pub struct Meters(Arc<RwLock<Vec<Meter>>>);

impl Meters {
    /// Those of now.
    pub fn list(&self) -> Vec<Meter> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// That of one component, if it is of this kind: another component with its name goes on counting there.
    pub(super) fn find(&self, key: &ComponentKey, kind: ComponentKind) -> Option<Meter> {
        let meters = self.list();
        meters
            .into_iter()
            .find(|meter| meter.component == *key && meter.kind == kind)
    }

    /// Takes away those of some components, and adds others.
    pub(super) fn replace(&self, gone: impl Fn(&ComponentKey) -> bool, new: Vec<Meter>) {
        let mut meters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        meters.retain(|meter| !gone(&meter.component));
        meters.extend(new);
    }
}
