//! The ledger for people: what is listed, waiting, done and lost. Reads beside a running source.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OpenFlags, Row, named_params};

use super::{LedgerError, count, instant, schema};

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
    /// Set aside: it makes no sense, or its address is not one to send a token to. It is tried again until it expires.
    Quarantined,
}

impl BlobState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Done, Self::Expired, Self::Quarantined];

    fn of(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "done" => Self::Done,
            "expired" => Self::Expired,
            _ => Self::Quarantined,
        }
    }

    /// The state's name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
        }
    }
}

/// Which feeds are asked for. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedFilter {
    /// Directory id or name of a tenant; upper and lower case are the same.
    pub tenant: Option<String>,
    /// A content type; upper and lower case are the same.
    pub content_type: Option<String>,
}

impl FeedFilter {
    /// The filter in SQL, for tables `t` (tenants) and `f` (feeds), with `:tenant` and `:content_type`.
    pub(super) const SQL: &str =
        "(:tenant IS NULL OR lower(t.guid) = lower(:tenant) OR lower(t.name) = lower(:tenant))
             AND (:content_type IS NULL OR lower(f.content_type) = lower(:content_type))";
}

/// How long blobs took, of the last thousand delivered ones that became available.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LagRecord {
    /// Microsoft's part: from `contentCreated` to the first listing that had the blob. Median in seconds. Only of blobs
    /// that were found while the feed was up to date (within an hour): after a downtime nobody knows.
    pub service_median_seconds: Option<i64>,
    /// The longest of these, in seconds.
    pub service_max_seconds: Option<i64>,
    /// Our part: from the first listing to the acknowledgement of all events. Median in seconds.
    pub own_median_seconds: Option<i64>,
    /// The longest of these, in seconds.
    pub own_max_seconds: Option<i64>,
}

/// What the ledger holds of a feed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FeedRecord {
    /// Directory id of the tenant.
    pub tenant: String,
    /// Name of the tenant, as configured.
    pub tenant_name: Option<String>,
    /// Content type.
    pub content_type: String,
    /// Whether the configuration of the last start had this feed.
    pub active: bool,
    /// Start of the first run.
    pub origin: Option<DateTime<Utc>>,
    /// Everything before has been listed.
    pub cursor: Option<DateTime<Utc>>,
    /// Everything that became available before is delivered, or named as lost: the earliest of the cursor, the last
    /// listing less the look-back, and the oldest blob that is pending or set aside.
    pub low_watermark: Option<DateTime<Utc>>,
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
    /// Blobs lost because they expired (of those not yet forgotten, after 90 days).
    pub expired: u64,
    /// Blobs set aside because they cannot be used.
    pub quarantined: u64,
    /// When the oldest of these became available.
    pub oldest_quarantined: Option<DateTime<Utc>>,
    /// Blobs delivered in the feed's life.
    pub blobs_delivered: u64,
    /// Events delivered in the feed's life.
    pub events_delivered: u64,
    /// Events dropped in the feed's life because they had been delivered before.
    pub duplicates_dropped: u64,
    /// Blobs lost in the feed's life because they expired.
    pub blobs_expired: u64,
    /// Blobs that the look-back found after the cursor had passed them.
    pub late_by_lookback: u64,
    /// Blobs that only a sweep found, further back than the look-back goes.
    pub late_by_sweep: u64,
    /// How long after it became available the latest of these was found, in seconds.
    pub max_lateness_seconds: i64,
    /// How long blobs took.
    pub lag: LagRecord,
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
    /// Name of the tenant, as configured.
    pub tenant_name: Option<String>,
    /// Content type.
    pub content_type: String,
    /// Id that the service gave it.
    pub content_id: String,
    /// What has become of it.
    pub state: BlobState,
    /// When it became available.
    pub created: DateTime<Utc>,
    /// When a listing first had it.
    pub found: DateTime<Utc>,
    /// When it was delivered, lost or first set aside.
    pub finished: Option<DateTime<Utc>>,
    /// Until when the service promises to have it.
    pub expiration: Option<DateTime<Utc>>,
    /// Failed attempts.
    pub attempts: u32,
    /// What the last one failed with.
    pub last_error: Option<String>,
    /// Events delivered, if it is done.
    pub event_count: Option<u64>,
    /// Name of its files in the quarantine folder, without extension.
    pub kept: Option<String>,
}

impl FeedRecord {
    /// A feed of which nothing is known yet.
    #[cfg(test)]
    pub(crate) fn empty(tenant: &str, content_type: &str) -> Self {
        let columns = format!(
            "SELECT 0, '{tenant}', NULL, '{content_type}', 1, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0"
        );
        let connection = Connection::open_in_memory().expect("a database in memory");
        connection
            .query_row(&columns, [], |row| feed_record(row, DateTime::UNIX_EPOCH))
            .expect("the columns of a feed")
            .2
    }

    /// The tenant's name, or its id, and the content type.
    pub fn name(&self) -> String {
        name(self.tenant_name.as_deref(), &self.tenant, &self.content_type)
    }
}

impl BlobRecord {
    /// The tenant's name, or its id, and the content type.
    pub fn feed_name(&self) -> String {
        name(self.tenant_name.as_deref(), &self.tenant, &self.content_type)
    }
}

fn name(tenant_name: Option<&str>, tenant: &str, content_type: &str) -> String {
    format!("{} {content_type}", tenant_name.unwrap_or(tenant))
}

/// The last delivered blobs of a feed. `<> 'pending'` is what the index `blobs_final` is made with.
const LAST_FINAL: &str = "SELECT created, found, finished, watched FROM blobs
    WHERE feed = ?1 AND state <> 'pending' AND state = 'done' AND finished IS NOT NULL
    ORDER BY created DESC LIMIT 1000";

/// See the module.
#[derive(Debug)]
pub struct LedgerReader {
    connection: Connection,
    path: PathBuf,
}

impl LedgerReader {
    /// Opens a ledger that exists.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let connection = schema::open_existing(path, OpenFlags::SQLITE_OPEN_READ_ONLY, |connection| {
            Ok(connection.busy_timeout(Duration::from_secs(5))?)
        })?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// From now on all answers tell of the same moment, until this is dropped. Not for long: meanwhile the ledger's
    /// write-ahead log grows.
    pub fn snapshot(&self) -> Result<(), LedgerError> {
        self.answer(|| Ok(self.connection.execute_batch("BEGIN")?))
    }

    fn answer<T>(&self, ask: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        ask().map_err(|error| error.at(&self.path))
    }

    /// All feeds, by tenant and content type.
    pub fn feeds(&self, now: DateTime<Utc>) -> Result<Vec<FeedRecord>, LedgerError> {
        self.feeds_of(&FeedFilter::default(), now)
    }

    /// The feeds that the filter names, by tenant and content type.
    pub fn feeds_of(&self, filter: &FeedFilter, now: DateTime<Utc>) -> Result<Vec<FeedRecord>, LedgerError> {
        self.answer(|| {
            let mut statement = self.connection.prepare(&format!(
                "SELECT f.id, t.guid, t.name, f.content_type, f.active, f.origin, f.cursor, f.last_sweep,
                     f.last_listed, f.last_error, f.lookback, f.blobs_delivered, f.events_delivered,
                     f.duplicates_dropped, f.blobs_expired, f.late_by_lookback, f.late_by_sweep, f.max_lateness
                 FROM feeds f JOIN tenants t ON t.id = f.tenant WHERE {} ORDER BY t.guid, f.content_type",
                FeedFilter::SQL
            ))?;
            let parameters = named_params! { ":tenant": filter.tenant, ":content_type": filter.content_type };
            let rows = statement.query_map(parameters, |row| feed_record(row, now))?;
            rows.map(|row| {
                let (feed, lookback, mut record) = row?;
                self.count_blobs(feed, &mut record)?;
                record.gaps = self.gaps(feed)?;
                record.lag = self.lag(feed)?;
                record.low_watermark = low_watermark(&record, lookback);
                Ok(record)
            })
            .collect()
        })
    }

    fn lag(&self, feed: i64) -> Result<LagRecord, LedgerError> {
        let mut statement = self.connection.prepare_cached(LAST_FINAL)?;
        let (mut service, mut own) = (Vec::new(), Vec::new());
        let mut rows = statement.query([feed])?;
        while let Some(row) = rows.next()? {
            let (created, found, finished): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if row.get(3)? {
                service.push((found - created).max(0) / 1_000);
            }
            own.push((finished - found).max(0) / 1_000);
        }
        let (service_median_seconds, service_max_seconds) = median_and_max(service);
        let (own_median_seconds, own_max_seconds) = median_and_max(own);
        Ok(LagRecord {
            service_median_seconds,
            service_max_seconds,
            own_median_seconds,
            own_max_seconds,
        })
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
                _ => {
                    record.quarantined = count;
                    record.oldest_quarantined = row.get::<_, Option<i64>>(2)?.map(instant);
                }
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
        let mut blobs = Vec::new();
        self.each_blob(&FeedFilter::default(), &[state], limit, |blob| {
            blobs.push(blob);
            Ok::<_, LedgerError>(())
        })?;
        Ok(blobs)
    }

    /// Gives the blobs in these states to `take`, one after another, oldest first in each state, at most `limit` of each.
    pub fn each_blob<E: From<LedgerError>>(
        &self,
        filter: &FeedFilter,
        states: &[BlobState],
        limit: u32,
        mut take: impl FnMut(BlobRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(LedgerError::from(error).at(&self.path));
        let mut statement = self
            .connection
            .prepare(&format!(
                "SELECT t.guid, t.name, f.content_type, b.content_id, b.state, b.created, b.found, b.finished,
                     b.expiration, b.attempts, b.last_error, b.event_count, b.kept
                 FROM blobs b JOIN feeds f ON f.id = b.feed JOIN tenants t ON t.id = f.tenant
                 WHERE b.state = :state AND {} ORDER BY b.created, b.content_id LIMIT :limit",
                FeedFilter::SQL
            ))
            .map_err(failed)?;
        for state in states {
            let parameters = named_params! {
                ":tenant": filter.tenant,
                ":content_type": filter.content_type,
                ":state": state.as_str(),
                ":limit": limit,
            };
            let mut rows = statement.query(parameters).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                take(blob_record(row).map_err(failed)?)?;
            }
        }
        Ok(())
    }
}

fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<DateTime<Utc>>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(instant))
}

/// A feed without what other tables say of it, and the look-back that it is listed with.
fn feed_record(row: &Row<'_>, now: DateTime<Utc>) -> rusqlite::Result<(i64, TimeDelta, FeedRecord)> {
    let cursor = time(row, 6)?;
    let record = FeedRecord {
        tenant: row.get(1)?,
        tenant_name: row.get(2)?,
        content_type: row.get(3)?,
        active: row.get(4)?,
        origin: time(row, 5)?,
        cursor,
        low_watermark: None,
        lag_seconds: cursor.map(|cursor| (now - cursor).max(TimeDelta::zero()).num_seconds()),
        last_sweep: time(row, 7)?,
        last_listed: time(row, 8)?,
        last_error: row.get(9)?,
        pending: 0,
        oldest_pending: None,
        earliest_expiration: None,
        done: 0,
        expired: 0,
        quarantined: 0,
        oldest_quarantined: None,
        blobs_delivered: count(row, 11)?,
        events_delivered: count(row, 12)?,
        duplicates_dropped: count(row, 13)?,
        blobs_expired: count(row, 14)?,
        late_by_lookback: count(row, 15)?,
        late_by_sweep: count(row, 16)?,
        max_lateness_seconds: row.get::<_, i64>(17)? / 1_000,
        lag: LagRecord::default(),
        gaps: Vec::new(),
    };
    Ok((row.get(0)?, TimeDelta::milliseconds(row.get(10)?), record))
}

fn blob_record(row: &Row<'_>) -> rusqlite::Result<BlobRecord> {
    Ok(BlobRecord {
        tenant: row.get(0)?,
        tenant_name: row.get(1)?,
        content_type: row.get(2)?,
        content_id: row.get(3)?,
        state: BlobState::of(&row.get::<_, String>(4)?),
        created: instant(row.get(5)?),
        found: instant(row.get(6)?),
        finished: time(row, 7)?,
        expiration: time(row, 8)?,
        attempts: row.get(9)?,
        last_error: row.get(10)?,
        event_count: row.get::<_, Option<i64>>(11)?.map(i64::unsigned_abs),
        kept: row.get(12)?,
    })
}

/// Reference §15.1. The cursor alone says too much: within the look-back, blobs may still become visible behind it.
fn low_watermark(record: &FeedRecord, lookback: TimeDelta) -> Option<DateTime<Utc>> {
    let listed = record.cursor?.min(record.last_listed? - lookback);
    [Some(listed), record.oldest_pending, record.oldest_quarantined]
        .into_iter()
        .flatten()
        .min()
}

fn median_and_max(mut seconds: Vec<i64>) -> (Option<i64>, Option<i64>) {
    seconds.sort_unstable();
    (seconds.get(seconds.len() / 2).copied(), seconds.last().copied())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::ledger::tests::Fixture;

    /// With thousands of feeds, making statements anew for each of them took longer than what they ask for.
    #[tokio::test]
    async fn statements_are_made_once() {
        let fixture = Fixture::new().await;
        let reader = LedgerReader::open(&Fixture::path(&fixture.folder)).unwrap();
        let mut statement = reader.connection.prepare(LAST_FINAL).unwrap();
        for feed in 0..3 {
            assert!(!statement.exists([feed]).unwrap());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
