//! Which `type` is which component.

use std::{fmt, ops::Range};

use indexmap::IndexMap;
use o365_core::config::{SinkConfig, SourceConfig, TransformConfig};
use serde::de::DeserializeOwned;

use crate::enrichment::TableConfig;

use super::{
    collect::{self, Finding},
    node::{Node, Segment},
};

/// Reads the options of one type of component.
type Reader<C> = fn(&Node, &Range<usize>, &[&str], &[Segment]) -> Result<Box<C>, Vec<Finding>>;

/// The types of one section.
pub(super) struct Types<C: ?Sized>(IndexMap<&'static str, Reader<C>>);

impl<C: ?Sized> Types<C> {
    pub(super) fn get(&self, name: &str) -> Option<Reader<C>> {
        self.0.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}

impl<C: ?Sized> Default for Types<C> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

/// The components that a configuration can name.
#[derive(Default)]
pub struct Registry {
    pub(super) sources: Types<dyn SourceConfig>,
    pub(super) transforms: Types<dyn TransformConfig>,
    pub(super) sinks: Types<dyn SinkConfig>,
    pub(super) enrichment_tables: Types<dyn TableConfig>,
}

impl Registry {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type of source.
    #[must_use]
    pub fn source<T: DeserializeOwned + SourceConfig + 'static>(mut self, name: &'static str) -> Self {
        self.sources.0.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }

    /// Adds a type of transform.
    #[must_use]
    pub fn transform<T: DeserializeOwned + TransformConfig + 'static>(mut self, name: &'static str) -> Self {
        self.transforms.0.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }

    /// Adds a type of sink.
    #[must_use]
    pub fn sink<T: DeserializeOwned + SinkConfig + 'static>(mut self, name: &'static str) -> Self {
        self.sinks.0.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }

    /// Adds a type of enrichment table.
    #[must_use]
    pub fn enrichment_table<T: DeserializeOwned + TableConfig + 'static>(
        mut self,
        name: &'static str,
    ) -> Self {
        self.enrichment_tables.0.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.sources.0.keys())
            .field("transforms", &self.transforms.0.keys())
            .field("sinks", &self.sinks.0.keys())
            .field("enrichment_tables", &self.enrichment_tables.0.keys())
            .finish()
    }
}
