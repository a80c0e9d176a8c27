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
pub(super) struct Types<C: ?Sized> {
    known: IndexMap<&'static str, Reader<C>>,
    /// Those that this build does not have, and what to do about it.
    left_out: IndexMap<&'static str, &'static str>,
}

impl<C: ?Sized> Types<C> {
    pub(super) fn get(&self, name: &str) -> Option<Reader<C>> {
        self.known.get(name).copied()
    }

    /// Also of those that this build does not have: asking for one says what to do.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.known.keys().chain(self.left_out.keys()).copied()
    }

    /// What to do to have a type that this build does not have.
    pub(super) fn left_out(&self, name: &str) -> Option<&'static str> {
        self.left_out.get(name).copied()
    }
}

impl<C: ?Sized> Default for Types<C> {
    fn default() -> Self {
        Self {
            known: IndexMap::new(),
            left_out: IndexMap::new(),
        }
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
        self.sources.known.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }

    /// Adds a type of transform.
    #[must_use]
    pub fn transform<T: DeserializeOwned + TransformConfig + 'static>(mut self, name: &'static str) -> Self {
        self.transforms.known.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }

    /// Adds a type of sink.
    #[must_use]
    pub fn sink<T: DeserializeOwned + SinkConfig + 'static>(mut self, name: &'static str) -> Self {
        self.sinks.known.insert(name, |node, at, also, within| {
            Ok(Box::new(collect::read::<T>(node, at, also, within)?))
        });
        self
    }

    /// Names a type of sink that this build does not have, and what to do about it.
    #[must_use]
    pub fn sink_left_out(mut self, name: &'static str, remedy: &'static str) -> Self {
        self.sinks.left_out.insert(name, remedy);
        self
    }

    /// Adds a type of enrichment table.
    #[must_use]
    pub fn enrichment_table<T: DeserializeOwned + TableConfig + 'static>(
        mut self,
        name: &'static str,
    ) -> Self {
        self.enrichment_tables
            .known
            .insert(name, |node, at, also, within| {
                Ok(Box::new(collect::read::<T>(node, at, also, within)?))
            });
        self
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("sources", &self.sources.known.keys())
            .field("transforms", &self.transforms.known.keys())
            .field("sinks", &self.sinks.known.keys())
            .field("enrichment_tables", &self.enrichment_tables.known.keys())
            .finish()
    }
}
