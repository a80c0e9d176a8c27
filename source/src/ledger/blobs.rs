//! What feeds write and ask.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{EventKey, Ledger, LedgerError, count, instant, millis};
use crate::{
    plan::{Gap, Progress},
    types::FeedKey,
};

/// Ids of delivered events are kept as long as the service has been seen to repeat them, and twice that.
const KEEP_EVENTS: TimeDelta = TimeDelta::days(14);
/// A blob that is done is forgotten when it cannot be listed any more.
const KEEP_DONE: TimeDelta = TimeDelta::days(9);
/// A blob that was lost is remembered longer: somebody may ask.
const KEEP_LOST: TimeDelta = TimeDelta::days(90);

/// A feed as the ledger knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeedRow {
    pub(crate) feed: i64,
    pub(crate) tenant: i64,
    pub(crate) progress: Option<Progress>,
    /// When `subscriptions/start` was last called.
    pub(crate) start_attempt: Option<DateTime<Utc>>,
}

/// A blob that a listing named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewBlob {
    pub(crate) content_id: String,
    pub(crate) uri: Option<String>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) expiration: Option<DateTime<Utc>>,
    /// Why it will not be fetched.
    pub(crate) refusal: Option<String>,
}

/// What a listing brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Blobs that were not known.
    pub(crate) new: u64,
    /// Of these, blobs that will not be fetched.
    pub(crate) refused: Vec<(String, String)>,
    /// Known blobs that got another address.
    pub(crate) moved: u64,
}

/// A blob that is still to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingBlob {
    pub(crate) content_id: String,
    pub(crate) uri: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) expiration: Option<DateTime<Utc>>,
    /// Failures so far.
    pub(crate) attempts: u32,
    /// Of these, answers that made no sense.
    pub(crate) unusable: u32,
    pub(crate) unusable_since: Option<DateTime<Utc>>,
}

/// What there is to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) blobs: Vec<PendingBlob>,
    /// When the next one is due, if there are no more that are due now.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// A blob goes back to the pending ones.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) error: String,
    /// Set if the answer made no sense.
    pub(crate) unusable_at: Option<DateTime<Utc>>,
}

impl Ledger {
    /// Finds a feed or makes it. Blobs that were waiting for another attempt are due at once: whoever starts the source
    /// again wants to know.
    pub(crate) async fn feed(&self, key: &FeedKey) -> Result<FeedRow, LedgerError> {
        let key = key.clone();
        self.call(move |connection| {
            connection
                .prepare_cached("INSERT OR IGNORE INTO tenants (guid) VALUES (?1)")?
                .execute([key.tenant.as_str()])?;
            let tenant: i64 = connection
                .prepare_cached("SELECT id FROM tenants WHERE guid = ?1")?
                .query_row([key.tenant.as_str()], |row| row.get(0))?;
            connection
                .prepare_cached("INSERT OR IGNORE INTO feeds (tenant, content_type) VALUES (?1, ?2)")?
                .execute(params![tenant, key.content_type.as_str()])?;
            let row = connection
                .prepare_cached(
                    "SELECT id, origin, cursor, last_sweep, start_attempt FROM feeds
                     WHERE tenant = ?1 AND content_type = ?2",
                )?
                .query_row(params![tenant, key.content_type.as_str()], |row| {
                    let origin: Option<i64> = row.get(1)?;
                    let cursor: Option<i64> = row.get(2)?;
                    let last_sweep: Option<i64> = row.get(3)?;
                    Ok(FeedRow {
                        feed: row.get(0)?,
                        tenant,
                        progress: origin.zip(cursor).map(|(origin, cursor)| Progress {
                            origin: instant(origin),
                            cursor: instant(cursor),
                            last_sweep: last_sweep.map(instant),
                        }),
                        start_attempt: row.get::<_, Option<i64>>(4)?.map(instant),
                    })
                })?;
            connection
                .prepare_cached("UPDATE blobs SET next_attempt = 0 WHERE feed = ?1 AND state = 'pending' AND next_attempt > 0")?
                .execute([row.feed])?;
            Ok(row)
        })
        .await
    }

    /// Remembers the progress of a feed and the blobs, or the gap, that go with it, in one transaction.
    pub(crate) async fn record(
        &self,
        feed: i64,
        progress: Progress,
        blobs: Vec<NewBlob>,
        gap: Option<Gap>,
        now: DateTime<Utc>,
    ) -> Result<Recorded, LedgerError> {
        self.call(move |connection| {
            let mut recorded = Recorded::default();
            if let Some(gap) = gap {
                connection
                    .prepare_cached(
                        "INSERT INTO gaps (feed, from_time, to_time, reason, recorded) VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        feed,
                        millis(gap.from),
                        millis(gap.to),
                        "not listed within the retention",
                        millis(now)
                    ])?;
            }
            for blob in blobs {
                record_blob(connection, feed, blob, now, &mut recorded)?;
            }
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
            Ok(recorded)
        })
        .await
    }

    /// Remembers a call of `subscriptions/start`.
    pub(crate) async fn start_attempted(&self, feed: i64, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.call(move |connection| {
            connection
                .prepare_cached("UPDATE feeds SET start_attempt = ?2 WHERE id = ?1")?
                .execute(params![feed, millis(now)])?;
            Ok(())
        })
        .await
    }

    /// Remembers why a feed cannot be listed.
    pub(crate) async fn feed_failed(&self, feed: i64, error: String) -> Result<(), LedgerError> {
        self.call(move |connection| {
            connection
                .prepare_cached("UPDATE feeds SET last_error = ?2 WHERE id = ?1")?
                .execute(params![feed, error])?;
            Ok(())
        })
        .await
    }

    /// The most urgent pending blobs that are due: those that expire first, then the oldest.
    pub(crate) async fn due(&self, feed: i64, now: DateTime<Utc>, limit: usize) -> Result<Due, LedgerError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT content_id, uri, created, expiration, attempts, unusable, unusable_since FROM blobs
                 WHERE feed = ?1 AND state = 'pending' AND next_attempt <= ?2
                 ORDER BY expiration, created LIMIT ?3",
            )?;
            let rows = statement.query_map(
                params![feed, millis(now), i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| {
                    Ok(PendingBlob {
                        content_id: row.get(0)?,
                        uri: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                        created: instant(row.get(2)?),
                        expiration: row.get::<_, Option<i64>>(3)?.map(instant),
                        attempts: row.get(4)?,
                        unusable: row.get(5)?,
                        unusable_since: row.get::<_, Option<i64>>(6)?.map(instant),
                    })
                },
            )?;
            let blobs = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            if blobs.len() == limit {
                return Ok(Due { blobs, next: None });
            }
            let next: Option<i64> = connection
                .prepare_cached(
                    "SELECT min(next_attempt) FROM blobs WHERE feed = ?1 AND state = 'pending' AND next_attempt > ?2",
                )?
                .query_row(params![feed, millis(now)], |row| row.get(0))?;
            Ok(Due {
                blobs,
                next: next.map(instant),
            })
        })
        .await
    }

    /// Number of pending blobs of a feed.
    pub(crate) async fn pending(&self, feed: i64) -> Result<u64, LedgerError> {
        self.call(move |connection| {
            connection
                .prepare_cached("SELECT count(*) FROM blobs WHERE feed = ?1 AND state = 'pending'")?
                .query_row([feed], |row| count(row, 0))
        })
        .await
    }

    /// Which of these events of a tenant have been delivered.
    pub(crate) async fn known(&self, tenant: i64, keys: Vec<EventKey>) -> Result<Vec<bool>, LedgerError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.call(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT 1 FROM events WHERE tenant = ?1 AND key = ?2")?;
            keys.iter()
                .map(|key| statement.exists(params![tenant, key.as_bytes()]))
                .collect()
        })
        .await
    }

    /// A blob's events have all been taken: their ids and the blob's state, in one transaction.
    pub(crate) async fn delivered(
        &self,
        feed: i64,
        tenant: i64,
        content_id: String,
        keys: Vec<EventKey>,
        events: u64,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        self.call(move |connection| {
            let mut insert =
                connection.prepare_cached("INSERT OR IGNORE INTO events (tenant, key, seen) VALUES (?1, ?2, ?3)")?;
            for key in &keys {
                insert.execute(params![tenant, key.as_bytes(), millis(now)])?;
            }
            connection
                .prepare_cached(
                    "UPDATE blobs SET state = 'done', uri = NULL, finished = ?3, event_count = ?4, last_error = NULL
                     WHERE feed = ?1 AND content_id = ?2",
                )?
                .execute(params![feed, content_id, millis(now), i64::try_from(events).unwrap_or(i64::MAX)])?;
            Ok(())
        })
        .await
    }

    /// A blob is tried again later.
    pub(crate) async fn retry(&self, feed: i64, content_id: String, retry: Retry) -> Result<(), LedgerError> {
        self.call(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE blobs SET attempts = attempts + 1, next_attempt = ?3, last_error = ?4,
                         unusable = unusable + (?5 IS NOT NULL), unusable_since = coalesce(unusable_since, ?5)
                     WHERE feed = ?1 AND content_id = ?2 AND state = 'pending'",
                )?
                .execute(params![
                    feed,
                    content_id,
                    millis(retry.not_before),
                    retry.error,
                    retry.unusable_at.map(millis)
                ])?;
            Ok(())
        })
        .await
    }

    /// A blob is given up for good.
    pub(crate) async fn lost(
        &self,
        feed: i64,
        content_id: String,
        expired: bool,
        reason: String,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let state = if expired { "expired" } else { "quarantined" };
        self.call(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE blobs SET state = ?3, attempts = attempts + 1, finished = ?4, last_error = ?5
                     WHERE feed = ?1 AND content_id = ?2 AND state = 'pending'",
                )?
                .execute(params![feed, content_id, state, millis(now), reason])?;
            Ok(())
        })
        .await
    }

    /// Forgets what cannot come again. Returns how many rows are gone.
    pub(crate) async fn evict(&self, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        self.call(move |connection| {
            let events =
                connection.execute("DELETE FROM events WHERE seen < ?1", [millis(now - KEEP_EVENTS)])?;
            let done = connection.execute(
                "DELETE FROM blobs WHERE state = 'done' AND created < ?1",
                [millis(now - KEEP_DONE)],
            )?;
            let lost = connection.execute(
                "DELETE FROM blobs WHERE state IN ('expired', 'quarantined') AND created < ?1",
                [millis(now - KEEP_LOST)],
            )?;
            Ok(events + done + lost)
        })
        .await
    }
}

fn record_blob(
    connection: &Connection,
    feed: i64,
    blob: NewBlob,
    now: DateTime<Utc>,
    recorded: &mut Recorded,
) -> rusqlite::Result<()> {
    let state = if blob.refusal.is_some() {
        "quarantined"
    } else {
        "pending"
    };
    let inserted = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO blobs (feed, content_id, uri, created, expiration, found, state, last_error)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            feed,
            blob.content_id,
            blob.uri,
            millis(blob.created),
            blob.expiration.map(millis),
            millis(now),
            state,
            blob.refusal
        ])?;
    if inserted == 1 {
        recorded.new += 1;
        if let Some(refusal) = blob.refusal {
            recorded.refused.push((blob.content_id, refusal));
        }
        return Ok(());
    }
    // Listed again. Another address is worth a fresh try, unless the blob is done.
    let known: Option<Option<String>> = connection
        .prepare_cached(
            "SELECT uri FROM blobs WHERE feed = ?1 AND content_id = ?2 AND state IN ('pending', 'quarantined')",
        )?
        .query_row(params![feed, blob.content_id], |row| row.get(0))
        .optional()?;
    if known.is_some_and(|known| known != blob.uri) && blob.refusal.is_none() {
        connection
            .prepare_cached(
                "UPDATE blobs SET uri = ?3, state = 'pending', finished = NULL, next_attempt = 0, unusable = 0,
                     unusable_since = NULL WHERE feed = ?1 AND content_id = ?2",
            )?
            .execute(params![feed, blob.content_id, blob.uri])?;
        recorded.moved += 1;
    }
    Ok(())
}
