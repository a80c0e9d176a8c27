//! The name that a user gave to a component.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The key of a component in the configuration (`o365` in `sources.o365`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ComponentKey(Arc<str>);

impl ComponentKey {
    /// Takes any text: the configuration decides what a good name is.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ComponentKey {
    fn from(key: &str) -> Self {
        Self::new(key)
    }
}

impl fmt::Display for ComponentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ComponentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
