//! What the ledger counts over the whole life of a feed, and what it knows of the configuration.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Ledger, LedgerError, instant};

/// A feed that was listed up to so long ago counts as up to date.
const UP_TO_DATE: TimeDelta = TimeDelta::hours(1);

/// What the configuration says of a feed.
#[derive(Debug, Clone)]
pub(crate) struct Configured {
    pub(crate) feed: i64,
    pub(crate) tenant: i64,
    pub(crate) tenant_name: Option<String>,
    pub(crate) lookback: TimeDelta,
}

/// What a feed was like before a listing was recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    cursor: Option<DateTime<Utc>>,
    lookback: TimeDelta,
}

/// New blobs that the cursor had passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Late {
    pub(crate) by_lookback: u64,
    pub(crate) by_sweep: u64,
    max: TimeDelta,
}

impl Before {
    pub(super) fn read(connection: &Connection, feed: i64) -> rusqlite::Result<Self> {
        let row = connection
            .prepare_cached("SELECT cursor, lookback FROM feeds WHERE id = ?1")?
            .query_row([feed], |row| {
                Ok(Self {
                    cursor: row.get::<_, Option<i64>>(0)?.map(instant),
                    lookback: TimeDelta::milliseconds(row.get(1)?),
                })
            })
            .optional()?;
        Ok(row.unwrap_or(Self {
            cursor: None,
            lookback: TimeDelta::zero(),
        }))
    }

    /// Whether blobs that are found now have just become visible, as far as we can tell.
    pub(super) fn up_to_date(&self, now: DateTime<Utc>) -> bool {
        self.cursor.is_some_and(|cursor| cursor >= now - UP_TO_DATE)
    }

    /// Counts a new blob, if it is late.
    pub(super) fn note(&self, late: &mut Late, created: DateTime<Utc>, now: DateTime<Utc>) {
        if self.cursor.is_none_or(|cursor| created >= cursor) {
            return;
        }
        if created >= now - self.lookback {
            late.by_lookback += 1;
        } else {
            late.by_sweep += 1;
        }
        late.max = late.max.max(now - created);
    }
}

impl Late {
    pub(super) fn save(&self, connection: &Connection, feed: i64) -> rusqlite::Result<()> {
        if *self == Self::default() {
            return Ok(());
        }
        connection
            .prepare_cached(
                "UPDATE feeds SET late_by_lookback = late_by_lookback + ?2, late_by_sweep = late_by_sweep + ?3,
                     max_lateness = max(max_lateness, ?4) WHERE id = ?1",
            )?
            .execute(params![
                feed,
                i64::try_from(self.by_lookback).unwrap_or(i64::MAX),
                i64::try_from(self.by_sweep).unwrap_or(i64::MAX),
                self.max.num_milliseconds(),
            ])?;
        Ok(())
    }
}

impl Ledger {
    /// Remembers which feeds the configuration has; all others are out of use.
    pub(crate) async fn configured(&self, feeds: Vec<Configured>) -> Result<(), LedgerError> {
        self.call(move |connection| {
            connection.execute("UPDATE feeds SET active = 0", [])?;
            for feed in &feeds {
                connection
                    .prepare_cached("UPDATE feeds SET active = 1, lookback = ?2 WHERE id = ?1")?
                    .execute(params![feed.feed, feed.lookback.num_milliseconds()])?;
                connection
                    .prepare_cached("UPDATE tenants SET name = ?2 WHERE id = ?1")?
                    .execute(params![feed.tenant, feed.tenant_name])?;
            }
            Ok(())
        })
        .await
    }

    /// A number that changes whenever another process has written into the ledger.
    pub(crate) async fn foreign_version(&self) -> Result<i64, LedgerError> {
        self.call(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0)))
            .await
    }
}

/// When a blob's time is over, if the service did not say.
pub(crate) fn assumed_expiration(created: DateTime<Utc>) -> DateTime<Utc> {
    created + TimeDelta::days(7)
}
