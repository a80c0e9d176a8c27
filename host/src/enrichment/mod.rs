//! `enrichment_tables`: files that programs look things up in, as in Vector.
//!
//! [`Tables`] are opened once for a pipeline, before its programs are compiled: a program that names a table or a column
//! that does not exist is refused, and what its conditions compare is indexed then ([`functions()`]). `rows` is the
//! content of a CSV file (`file`), `networks` that of a `MaxMind` database.
//!
//! A newer file is taken while events go on, whole or not at all: lookups of one event may see the old and the new
//! file, one lookup never sees both.

mod file;
mod functions;
mod networks;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;
use o365_core::{Clock, ComponentKey, config::Problem};

pub use file::{Encoding, FileSettings, FileTableConfig, Format};
pub use functions::functions;
pub use networks::MmdbTableConfig;
use rows::Rows;
pub use table::Table;

use crate::time_zone::DefaultTimeZone;

/// The configuration of one of `enrichment_tables`.
pub trait TableConfig: fmt::Debug + Send + Sync {
    /// The file, relative to the configuration file.
    fn path(&self) -> &Path;

    /// Reads the file that [`TableConfig::path`] names. `zone` is that of timestamps that have none.
    ///
    /// # Errors
    /// Everything that is wrong with the options or the file, by option.
    fn read(&self, path: &Path, zone: DefaultTimeZone) -> Result<Content, Vec<Problem>>;
}

/// What a table holds. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Content {
    /// Rows with named columns.
    Rows(Rows),
    /// Records of networks, by address.
    Networks(networks::Networks),
}

/// The tables of a pipeline, by name.
#[derive(Debug, Default)]
pub struct Tables(IndexMap<String, Entry>);

#[derive(Debug)]
enum Entry {
    Ready(Arc<Table>),
    /// Its file could not be read, and the pipeline will not run.
    Unreadable,
}

impl Tables {
    /// Reads every table. One that cannot be read is known by its name, so that programs are not blamed for it.
    pub async fn open(
        configs: &IndexMap<ComponentKey, Arc<dyn TableConfig>>,
        dir: &Path,
        zone: DefaultTimeZone,
        clock: &Arc<dyn Clock>,
    ) -> (Self, Vec<(ComponentKey, Problem)>) {
        let mut tables = IndexMap::new();
        let mut problems = Vec::new();
        for (key, config) in configs {
            let opened = open(
                key,
                Arc::clone(config),
                dir.join(config.path()),
                zone,
                Arc::clone(clock),
            )
            .await;
            let entry = match opened {
                Ok(table) => Entry::Ready(Arc::new(table)),
                Err(found) => {
                    problems.extend(found.into_iter().map(|problem| (key.clone(), problem)));
                    Entry::Unreadable
                }
            };
            tables.insert(key.to_string(), entry);
        }
        (Self(tables), problems)
    }

    fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

async fn open(
    key: &ComponentKey,
    config: Arc<dyn TableConfig>,
    path: PathBuf,
    zone: DefaultTimeZone,
    clock: Arc<dyn Clock>,
) -> Result<Table, Vec<Problem>> {
    let name = key.to_string();
    let opened = tokio::task::spawn_blocking(move || Table::open(name, config, path, zone, clock)).await;
    opened.map_err(|error| vec![Problem::new("", format!("reading it failed: {error}"))])?
}
