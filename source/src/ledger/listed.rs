//! Listings that found nothing: nearly all of those of an idle tenant. They are remembered in memory and written with
//! whatever is written next, or once in a while. A crash forgets the last of them, which costs listing those windows again;
//! what it cannot do is lose a blob.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Ledger, LedgerError, millis};
use crate::plan::Progress;

/// The progress of feeds that is not in the database yet.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Mutex<BTreeMap<i64, (Progress, DateTime<Utc>)>>);

impl Unwritten {
    fn feeds(&self) -> MutexGuard<'_, BTreeMap<i64, (Progress, DateTime<Utc>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all of it.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let feeds = std::mem::take(&mut *self.feeds());
        for (feed, (progress, now)) in feeds {
            save(connection, feed, progress, now)?;
        }
        Ok(())
    }
}

/// Writes how far a feed has been listed.
pub(super) fn save(
    connection: &Connection,
    feed: i64,
    progress: Progress,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE feeds SET origin = ?2, cursor = ?3, last_sweep = ?4, last_listed = ?5, last_error = NULL
             WHERE id = ?1",
        )?
        .execute(params![
            feed,
            millis(progress.origin),
            millis(progress.cursor),
            progress.last_sweep.map(millis),
            millis(now),
        ])?;
    Ok(())
}

impl Ledger {
    /// Remembers the progress of a feed whose window held nothing.
    pub(crate) fn listed_nothing(&self, feed: i64, progress: Progress, now: DateTime<Utc>) {
        self.unwritten.feeds().insert(feed, (progress, now));
    }

    /// Writes what is only remembered.
    pub(crate) async fn write_listed(&self) -> Result<(), LedgerError> {
        if self.unwritten.feeds().is_empty() {
            return Ok(());
        }
        // Whatever is done writes it.
        self.call(|_| Ok(())).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, at, blob, progress};

    #[tokio::test]
    async fn empty_listings_are_written_with_what_comes_next_or_once_in_a_while() {
        let fixture = Fixture::new().await;
        let (ledger, feed) = (fixture.ledger.clone(), fixture.row.feed);
        ledger.listed_nothing(feed, progress(1), at(1));
        ledger.listed_nothing(feed, progress(2), at(2));
        assert_eq!(fixture.read().cursor, None);
        ledger.write_listed().await.unwrap();
        let read = fixture.read();
        assert_eq!((read.cursor, read.last_listed), (Some(at(2)), Some(at(2))));

        // Before what comes next, which it must not overwrite.
        ledger.listed_nothing(feed, progress(3), at(3));
        let found = vec![blob("late", 2)];
        let recorded = ledger
            .record(feed, progress(4), found, None, at(4))
            .await
            .unwrap();
        assert_eq!(recorded.late.by_lookback + recorded.late.by_sweep, 1);
        assert_eq!(fixture.read().cursor, Some(at(4)));
        ledger.write_listed().await.unwrap();
        assert_eq!(fixture.read().cursor, Some(at(4)));
    }

    #[tokio::test]
    async fn a_crash_forgets_only_that_nothing_was_there() {
        let fixture = Fixture::new().await;
        let feed = fixture.row.feed;
        let found = vec![blob("a", 1)];
        fixture
            .ledger
            .record(feed, progress(1), found, None, at(1))
            .await
            .unwrap();
        fixture.ledger.listed_nothing(feed, progress(2), at(2));
        let after = fixture.crash().await;
        let read = after.read();
        assert_eq!((read.cursor, read.pending), (Some(at(1)), 1));
    }
}
