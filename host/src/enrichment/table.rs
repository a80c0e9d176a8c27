//! One table in use: its content, its indexes, and its file, which may be replaced.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use o365_core::{Clock, config::Problem};
use vrl::value::ObjectMap;

use super::{
    Content, TableConfig,
    rows::{IndexKey, Search},
};
use crate::{stamp::Stamp, time_zone::DefaultTimeZone};

/// How often, at most, a file is looked at for a newer version.
const CHECK_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// See the module.
#[derive(Debug)]
pub struct Table {
    name: String,
    config: Arc<dyn TableConfig>,
    path: PathBuf,
    zone: DefaultTimeZone,
    clock: Arc<dyn Clock>,
    current: RwLock<Arc<Content>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Of the file that was last looked at, also if it was refused: it is refused once.
    stamp: Option<Stamp>,
    checked: DateTime<Utc>,
    /// What programs search by; the place of a key is its index's place in the content.
    indexes: Vec<IndexKey>,
}

impl Table {
    pub(super) fn open(
        name: String,
        config: Arc<dyn TableConfig>,
        path: PathBuf,
        zone: DefaultTimeZone,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<Problem>> {
        let stamp = Stamp::of(&path);
        let content = config.read(&path, zone)?;
        Ok(Self {
            name,
            config,
            path,
            zone,
            current: RwLock::new(Arc::new(content)),
            state: Mutex::new(State {
                stamp,
                checked: clock.now(),
                indexes: Vec::new(),
            }),
            clock,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn content(&self) -> Arc<Content> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes searches by these columns fast. The place of the index, for [`Search::index`].
    pub(super) fn index(&self, key: IndexKey) -> Result<usize, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.indexes.iter().position(|known| *known == key) {
            return Ok(place);
        }
        let content = self.content().with_indexes(std::slice::from_ref(&key))?;
        self.replace(content);
        state.indexes.push(key);
        Ok(state.indexes.len() - 1)
    }

    /// What is found, in the order of the file.
    pub(super) fn search(&self, search: &Search<'_>) -> Result<Vec<ObjectMap>, String> {
        self.refresh();
        match &*self.content() {
            Content::Rows(rows) => rows.search(search),
            Content::Networks(networks) => networks.search(search),
        }
    }

    /// Takes a newer file, if it is time to look. While one thread reads, the others go on with the old one.
    fn refresh(&self) {
        let Ok(mut state) = self.state.try_lock() else {
            return;
        };
        let now = self.clock.now();
        // A clock that was set back must not stop this for long.
        if (now - state.checked).abs() < CHECK_INTERVAL {
            return;
        }
        state.checked = now;
        let stamp = Stamp::of(&self.path);
        if stamp == state.stamp {
            return;
        }
        state.stamp = stamp;
        let (table, file) = (&self.name, self.path.display());
        let read = self.config.read(&self.path, self.zone).map_err(|problems| {
            let problems: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            problems.join("; ")
        });
        match read.and_then(|content| content.with_indexes(&state.indexes)) {
            Ok(content) => {
                self.replace(content);
                tracing::info!(table, %file, "a newer enrichment table is in use");
            }
            Err(error) => {
                tracing::error!(
                    table,
                    "a newer enrichment table is refused, the old one stays in use: {error}"
                );
            }
        }
    }

    fn replace(&self, content: Content) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(content);
    }
}

impl Content {
    /// The same content with more indexes.
    fn with_indexes(&self, keys: &[IndexKey]) -> Result<Self, String> {
        match self {
            Self::Rows(rows) => rows.with_indexes(keys).map(Self::Rows),
            Self::Networks(networks) => Ok(Self::Networks(networks.clone())),
        }
    }
}
