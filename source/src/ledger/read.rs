//! The ledger for people: what is listed, waiting, done and lost. Reads beside a running source.

use std::{path::Path, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OpenFlags, params};

use super::{LedgerError, count, instant, millis, schema};

/// What has become of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobState {
    /// Listed, not yet delivered.
    Pending,
    /// All of its events are delivered.
    Done,
    /// Lost: the service does not have it any more.
    Expired,
    /// Lost: it was never usable, or its address is not one to send a token to.
    Quarantined,
}

impl BlobState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What the ledger holds of a feed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FeedRecord {
    /// Directory id of the tenant.
    pub tenant: String,
    /// Content type.
    pub content_type: String,
    /// Start of the first run.
    pub origin: Option<DateTime<Utc>>,
    /// Everything before has been listed.
    pub cursor: Option<DateTime<Utc>>,
    /// How far the cursor is behind now, in seconds.
    pub lag_seconds: Option<i64>,
    /// When the whole retention was last listed.
    pub last_sweep: Option<DateTime<Utc>>,
    /// When anything was last listed.
    pub last_listed: Option<DateTime<Utc>>,
    /// Why listing fails, if it does.
    pub last_error: Option<String>,
    /// Blobs waiting to be delivered.
    pub pending: u64,
    /// When the oldest of these became available.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// When the first of these expires.
    pub earliest_expiration: Option<DateTime<Utc>>,
    /// Blobs delivered (of those not yet forgotten).
    pub done: u64,
    /// Blobs lost because they expired.
    pub expired: u64,
    /// Blobs lost because they cannot be used.
    pub quarantined: u64,
    /// Spans that could not be listed in time.
    pub gaps: Vec<GapRecord>,
}

/// A span that was lost.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GapRecord {
    /// First instant.
    pub from: DateTime<Utc>,
    /// First instant after it.
    pub to: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// When it was noticed.
    pub recorded: DateTime<Utc>,
}

/// One blob.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BlobRecord {
    /// Directory id of the tenant.
    pub tenant: String,
    /// Content type.
    pub content_type: String,
    /// Id that the service gave it.
    pub content_id: String,
    /// When it became available.
    pub created: DateTime<Utc>,
    /// Until when the service promises to have it.
    pub expiration: Option<DateTime<Utc>>,
    /// Failed attempts.
    pub attempts: u32,
    /// What the last one failed with.
    pub last_error: Option<String>,
    /// Events delivered, if it is done.
    pub event_count: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct LedgerReader {
    connection: Connection,
}

impl LedgerReader {
    /// Opens a ledger that exists.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Io {
                path: path.to_owned(),
                reason: "there is no ledger yet: the source has not run with this data_dir".to_owned(),
            });
        }
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(Duration::from_secs(5))?;
        schema::version(&connection)?;
        Ok(Self { connection })
    }

    /// All feeds, by tenant and content type.
    pub fn feeds(&self, now: DateTime<Utc>) -> Result<Vec<FeedRecord>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT f.id, t.guid, f.content_type, f.origin, f.cursor, f.last_sweep, f.last_listed, f.last_error
             FROM feeds f JOIN tenants t ON t.id = f.tenant ORDER BY t.guid, f.content_type",
        )?;
        let rows = statement.query_map([], |row| {
            let time = |index| row.get::<_, Option<i64>>(index).map(|time| time.map(instant));
            let cursor = time(4)?;
            let record = FeedRecord {
                tenant: row.get(1)?,
                content_type: row.get(2)?,
                origin: time(3)?,
                cursor,
                lag_seconds: cursor.map(|cursor| (now - cursor).max(TimeDelta::zero()).num_seconds()),
                last_sweep: time(5)?,
                last_listed: time(6)?,
                last_error: row.get(7)?,
                pending: 0,
                oldest_pending: None,
                earliest_expiration: None,
                done: 0,
                expired: 0,
                quarantined: 0,
                gaps: Vec::new(),
            };
            Ok((row.get::<_, i64>(0)?, record))
        })?;
        rows.map(|row| {
            let (feed, mut record) = row?;
            self.count_blobs(feed, &mut record)?;
            record.gaps = self.gaps(feed)?;
            Ok(record)
        })
        .collect()
    }

    fn count_blobs(&self, feed: i64, record: &mut FeedRecord) -> Result<(), LedgerError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT state, count(*), min(created), min(expiration) FROM blobs WHERE feed = ?1 GROUP BY state",
        )?;
        let mut rows = statement.query([feed])?;
        while let Some(row) = rows.next()? {
            let (state, count): (String, u64) = (row.get(0)?, count(row, 1)?);
            match state.as_str() {
                "pending" => {
                    record.pending = count;
                    record.oldest_pending = row.get::<_, Option<i64>>(2)?.map(instant);
                    record.earliest_expiration = row.get::<_, Option<i64>>(3)?.map(instant);
                }
                "done" => record.done = count,
                "expired" => record.expired = count,
                _ => record.quarantined = count,
            }
        }
        Ok(())
    }

    fn gaps(&self, feed: i64) -> Result<Vec<GapRecord>, LedgerError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT from_time, to_time, reason, recorded FROM gaps WHERE feed = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([feed], |row| {
            Ok(GapRecord {
                from: instant(row.get(0)?),
                to: instant(row.get(1)?),
                reason: row.get(2)?,
                recorded: instant(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Blobs in a state, oldest first, at most `limit`.
    pub fn blobs(&self, state: BlobState, limit: u32) -> Result<Vec<BlobRecord>, LedgerError> {
        let mut statement = self.connection.prepare(
            "SELECT t.guid, f.content_type, b.content_id, b.created, b.expiration, b.attempts, b.last_error, b.event_count
             FROM blobs b JOIN feeds f ON f.id = b.feed JOIN tenants t ON t.id = f.tenant
             WHERE b.state = ?1 ORDER BY b.created, b.content_id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![state.as_str(), limit], |row| {
            Ok(BlobRecord {
                tenant: row.get(0)?,
                content_type: row.get(1)?,
                content_id: row.get(2)?,
                created: instant(row.get(3)?),
                expiration: row.get::<_, Option<i64>>(4)?.map(instant),
                attempts: row.get(5)?,
                last_error: row.get(6)?,
                event_count: row.get::<_, Option<i64>>(7)?.map(i64::unsigned_abs),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Ids of delivered events that are still remembered, seen at or after `since`.
    pub fn remembered_events(&self, since: DateTime<Utc>) -> Result<u64, LedgerError> {
        Ok(self.connection.query_row(
            "SELECT count(*) FROM events WHERE seen >= ?1",
            [millis(since)],
            |row| count(row, 0),
        )?)
    }
}
