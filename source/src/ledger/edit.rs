//! What an operator may change in a ledger.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, named_params};

use super::{LedgerError, runs, schema, writer};
use crate::ledger::FeedFilter;

/// A running source looks so often whether somebody else has changed its ledger.
pub const RETRY_NOTICED_AFTER: Duration = Duration::from_secs(5);

/// What [`LedgerEditor::reset`] has forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Forgotten {
    /// Feeds that will be listed from the start.
    pub feeds: u64,
    /// Blobs of all states.
    pub blobs: u64,
    /// Recorded losses.
    pub gaps: u64,
    /// Ids of delivered events.
    pub events: u64,
}

/// Changes a ledger on behalf of an operator.
#[derive(Debug)]
pub struct LedgerEditor {
    connection: Connection,
    path: PathBuf,
    /// Nobody else owns the ledger as long as this lives.
    lock: Option<File>,
}

impl LedgerEditor {
    /// Opens a ledger that exists, also beside a running source: enough to ask for another try.
    ///
    /// # Errors
    /// [`LedgerError::Io`] if there is none, [`LedgerError::Older`] if the source has not brought it up to date yet, and
    /// what SQLite has to say.
    pub fn beside(path: &Path) -> Result<Self, LedgerError> {
        let connection = schema::open_existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE, schema::configure)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            lock: None,
        })
    }

    /// Opens a ledger that no source is using, and keeps it so.
    ///
    /// # Errors
    /// [`LedgerError::InUse`] if a source runs, and those of [`LedgerEditor::beside`].
    pub async fn alone(path: &Path) -> Result<Self, LedgerError> {
        // First, so that no folder is made for a lock without a ledger.
        let editor = Self::beside(path)?;
        let lock = writer::lock(path).await?;
        Ok(Self {
            lock: Some(lock),
            ..editor
        })
    }

    /// Makes blobs due at once: those that wait for another try, were set aside or have expired. With a content id, only
    /// that one. Returns how many.
    ///
    /// A running source notices within [`RETRY_NOTICED_AFTER`]; otherwise the next start does.
    pub fn retry(&mut self, filter: &FeedFilter, content_id: Option<&str>) -> Result<u64, LedgerError> {
        let sql = format!(
            "UPDATE blobs SET next_attempt = 0, unusable = 0, unusable_since = NULL,
                 state = CASE state WHEN 'expired' THEN 'quarantined' ELSE state END
             WHERE state IN ('pending', 'quarantined', 'expired')
                 AND (:content_id IS NULL OR content_id = :content_id)
                 AND feed IN (SELECT f.id FROM feeds f JOIN tenants t ON t.id = f.tenant WHERE {})",
            FeedFilter::SQL
        );
        let changed = self.connection.execute(
            &sql,
            named_params! {
                ":tenant": filter.tenant,
                ":content_type": filter.content_type,
                ":content_id": content_id,
            },
        );
        match changed {
            Ok(changed) => Ok(changed as u64),
            Err(error) => Err(LedgerError::from(error).at(&self.path)),
        }
    }

    /// Forgets how far feeds have been listed, their blobs, gaps and counters: they are listed from the start again. Ids
    /// of delivered events stay, so that nothing is delivered twice, unless `events` says to forget those of the feeds'
    /// tenants too. When a subscription was last started stays as well: the service insists on the pause.
    ///
    /// # Errors
    /// [`LedgerError::InUse`] if this was opened beside a source.
    pub fn reset(&mut self, filter: &FeedFilter, events: bool) -> Result<Forgotten, LedgerError> {
        if self.lock.is_none() {
            return Err(LedgerError::InUse(self.path.clone()));
        }
        let path = self.path.clone();
        reset(&mut self.connection, filter, events).map_err(|error| LedgerError::from(error).at(&path))
    }
}

fn reset(connection: &mut Connection, filter: &FeedFilter, events: bool) -> rusqlite::Result<Forgotten> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let feeds: Vec<(i64, i64)> = transaction
        .prepare(&format!(
            "SELECT f.id, f.tenant FROM feeds f JOIN tenants t ON t.id = f.tenant WHERE {}",
            FeedFilter::SQL
        ))?
        .query_map(
            named_params! { ":tenant": filter.tenant, ":content_type": filter.content_type },
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut forgotten = Forgotten::default();
    for (feed, tenant) in feeds {
        forgotten.feeds += 1;
        forgotten.blobs += transaction.execute("DELETE FROM blobs WHERE feed = ?1", [feed])? as u64;
        forgotten.gaps += transaction.execute("DELETE FROM gaps WHERE feed = ?1", [feed])? as u64;
        transaction.execute(
            "UPDATE feeds SET origin = NULL, cursor = NULL, last_sweep = NULL, last_listed = NULL, last_error = NULL,
                 blobs_delivered = 0, events_delivered = 0, duplicates_dropped = 0, late_by_lookback = 0,
                 late_by_sweep = 0, max_lateness = 0, blobs_expired = 0 WHERE id = ?1",
            [feed],
        )?;
        if events {
            forgotten.events += runs::forget_tenant(&transaction, tenant)?;
        }
    }
    transaction.commit()?;
    Ok(forgotten)
}
