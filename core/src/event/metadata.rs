//! Where an event came from, and who waits for its end.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use vrl::value::{ObjectMap, Value};

use crate::{
    finalize::{EventFinalizer, EventFinalizers},
    key::ComponentKey,
};

/// What all events of one content blob (or file) have in common. Shared, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Key of the source in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<ComponentKey>,
    /// Directory id (GUID) of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The name that the configuration gives to the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
    /// Feed, such as `Audit.Exchange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Id of the content blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// When the blob became available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_created: Option<DateTime<Utc>>,
    /// File that the event was read from, for replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Everything about an event that is not in its document.
#[derive(Debug, Clone)]
pub struct EventMetadata {
    origin: Arc<Origin>,
    index: u64,
    finalizers: EventFinalizers,
    custom: Option<Box<ObjectMap>>,
}

impl EventMetadata {
    /// Metadata of the event at position `index` (from 0) of its blob or file.
    pub fn new(origin: Arc<Origin>, index: u64, finalizer: EventFinalizer) -> Self {
        Self {
            origin,
            index,
            finalizers: finalizer.into(),
            custom: None,
        }
    }

    /// Metadata of an event that nobody waits for.
    pub fn untracked() -> Self {
        Self {
            origin: Arc::default(),
            index: 0,
            finalizers: EventFinalizers::none(),
            custom: None,
        }
    }

    /// Where the event came from.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Position in its blob or file, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Who waits for the event.
    pub fn finalizers(&self) -> &EventFinalizers {
        &self.finalizers
    }

    /// Who waits for the event, to be told.
    pub fn finalizers_mut(&mut self) -> &mut EventFinalizers {
        &mut self.finalizers
    }

    /// The metadata as programs see it (`%` in VRL): what an earlier program has set, over the origin's fields.
    pub fn to_value(&self) -> Value {
        let origin = serde_json::to_value(&*self.origin).expect("an origin has only strings");
        let mut value = Value::from(origin);
        if let (Value::Object(map), Some(custom)) = (&mut value, &self.custom) {
            map.extend(custom.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        value
    }

    /// What programs have set below `%`, if anything.
    pub fn custom(&self) -> Option<&ObjectMap> {
        self.custom.as_deref()
    }

    /// Keeps what a program has set below `%`.
    pub fn set_custom(&mut self, custom: ObjectMap) {
        self.custom = (!custom.is_empty()).then(|| Box::new(custom));
    }
}
