//! What the source remembers, so that nothing is lost and nothing delivered is repeated.
//!
//! One SQLite database per source component. The ledger is the truth: a blob is known once it was recorded together with
//! the moved cursor, in one transaction, and done once its event ids and its state were written, in one transaction.
//! One thread writes; what many feeds ask for at the same time shares a commit, and nobody is answered before the
//! commit is on disk, except for listings that found nothing. A second process on the same ledger is refused. There
//! are no secrets in it.

mod blobs;
mod counters;
mod edit;
mod event_key;
mod health;
mod listed;
mod read;
mod runs;
mod schema;
mod verdict;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use o365_core::ComponentKey;
use rusqlite::ErrorCode;

pub(crate) use self::{
    blobs::{Delivered, FeedRow, NewBlob, PendingBlob, Retry, SetAside},
    counters::{Configured, assumed_expiration},
    event_key::EventKey,
    writer::{Ledger, backfills_in_use, remove as remove_ledger},
};
pub use self::{
    edit::{Forgotten, LedgerEditor, RETRY_NOTICED_AFTER},
    read::{BlobRecord, BlobState, FeedFilter, FeedRecord, GapRecord, LagRecord, LedgerReader},
    verdict::Verdict,
    writer::ledger_in_use,
};

/// The ledger's file below the host's data directory.
pub fn ledger_path(data_dir: &Path, component: &ComponentKey) -> PathBuf {
    data_dir.join(component.as_str()).join("ledger.sqlite")
}

/// The ledger cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Another process has it.
    #[error(
        "the ledger {} is in use by another process, which holds the lock on {}: stop that process, or give each \
         process a data_dir of its own", .0.display(), lock_path(.0).display()
    )]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("{}: {reason}", path.display())]
    Io {
        /// What was to be opened or made.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A newer version of this program has written it.
    #[error("the ledger has format {found}, this version knows formats up to {known}")]
    Newer {
        /// Format of the file.
        found: i64,
        /// Newest format that this version knows.
        known: i64,
    },
    /// An older version of this program has written it, and readers change nothing.
    #[error(
        "the ledger has format {found}, which is older than this version reads: start the source once with this \
         version, it brings the ledger up to date"
    )]
    Older {
        /// Format of the file.
        found: i64,
    },
    /// The file is no database, or parts of it are not what they should be.
    #[error(
        "the ledger {} is damaged ({reason}): stop the source and restore the file from a backup, or move it away \
         together with the files {}-wal and {}-shm. Without it everything that the service still has (7 days) is \
         listed and delivered again: nothing of that is lost, but events that were delivered before are repeated",
        path.display(), path.display(), path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// No room for what is to be remembered.
    #[error(
        "the disk is full, the ledger {} cannot be written: make room and start the source again, it goes on where \
         it was", .0.display()
    )]
    Full(PathBuf),
    /// The database refuses.
    #[error("the ledger database failed")]
    Database(#[source] Arc<rusqlite::Error>),
    /// The thread that writes the ledger is gone.
    #[error("the ledger is closed")]
    Closed,
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl LedgerError {
    /// Says which file it is about, and what is wrong with it, if SQLite knows.
    pub(crate) fn at(self, path: &Path) -> Self {
        let Self::Database(error) = &self else {
            return self;
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged {
                path: path.to_owned(),
                reason: error.to_string(),
            },
            Some(ErrorCode::DiskFull) => Self::Full(path.to_owned()),
            _ => self,
        }
    }
}

/// What the names of the ledgers of backfills begin with.
pub(crate) const BACKFILL: &str = "backfill-";

/// The file whose lock says that a process owns the ledger.
fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn millis(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_millis()
}

fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH)
}

/// A count, which is never negative.
fn count(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::unsigned_abs)
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
