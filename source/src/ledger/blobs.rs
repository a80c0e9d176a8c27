//! What feeds write and ask.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    EventKey, Ledger, LedgerError, count,
    counters::{Before, Late, assumed_expiration},
    instant, listed, millis, runs,
};
use crate::{
    plan::{Gap, Progress},
    types::FeedKey,
};

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
    /// Whether a blob of the feed was ever delivered.
    pub(crate) has_delivered: bool,
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
    /// New ones that the cursor had passed.
    pub(crate) late: Late,
}

/// A blob that is still to be delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// It has been set aside before.
    pub(crate) quarantined: bool,
    /// Name of its files in the quarantine folder.
    pub(crate) kept: Option<String>,
}

/// A blob is set aside, and tried again now and then until it expires.
#[derive(Debug, Clone)]
pub(crate) struct SetAside {
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) reason: String,
    /// Name of its files in the quarantine folder.
    pub(crate) kept: Option<String>,
}

/// What there is to fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) blobs: Vec<PendingBlob>,
    /// When the next pending one is due, if there are no more that are due now.
    pub(crate) next: Option<DateTime<Utc>>,
    /// When the next one of those that were set aside is due.
    pub(crate) next_quarantined: Option<DateTime<Utc>>,
}

/// What became of the events of a blob.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// Ids of the events that were sent.
    pub(crate) keys: Vec<EventKey>,
    /// How many were sent.
    pub(crate) events: u64,
    /// How many were not, because they had been delivered before.
    pub(crate) duplicates: u64,
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
                    "SELECT id, origin, cursor, last_sweep, start_attempt, blobs_delivered > 0 FROM feeds
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
                        has_delivered: row.get(5)?,
                    })
                })?;
            connection
                .prepare_cached("UPDATE blobs SET next_attempt = 0 WHERE feed = ?1 AND state = 'pending' AND next_attempt > 0")?
                .execute([row.feed])?;
            connection
                .prepare_cached("UPDATE blobs SET next_attempt = 0 WHERE feed = ?1 AND state = 'quarantined' AND next_attempt > 0")?
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
            let before = Before::read(connection, feed)?;
            for blob in blobs {
                record_blob(connection, feed, before, blob, now, &mut recorded)?;
            }
            recorded.late.save(connection, feed)?;
            listed::save(connection, feed, progress, now)?;
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

    /// The most urgent blobs that are due: the pending ones that expire first, then the oldest; after them what was set
    /// aside and has its turn.
    pub(crate) async fn due(&self, feed: i64, now: DateTime<Utc>, limit: usize) -> Result<Due, LedgerError> {
        self.call(move |connection| {
            let mut blobs = select_due(connection, PENDING_DUE, feed, now, limit)?;
            if blobs.len() < limit {
                let room = limit - blobs.len();
                blobs.extend(select_due(connection, QUARANTINED_DUE, feed, now, room)?);
            }
            if blobs.len() == limit {
                return Ok(Due {
                    blobs,
                    ..Due::default()
                });
            }
            let next = |sql| -> rusqlite::Result<Option<DateTime<Utc>>> {
                let next: Option<i64> = connection
                    .prepare_cached(sql)?
                    .query_row(params![feed, millis(now)], |row| row.get(0))?;
                Ok(next.filter(|next| *next < NEVER).map(instant))
            };
            Ok(Due {
                blobs,
                next: next(
                    "SELECT min(next_attempt) FROM blobs WHERE feed = ?1 AND state = 'pending' AND next_attempt > ?2",
                )?,
                next_quarantined: next(
                    "SELECT min(next_attempt) FROM blobs WHERE feed = ?1 AND state = 'quarantined' AND next_attempt > ?2",
                )?,
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
        self.call(move |connection| runs::known(connection, tenant, &keys))
            .await
    }

    /// A blob's events have all been taken: their ids and the blob's state, in one transaction.
    pub(crate) async fn delivered(
        &self,
        feed: i64,
        tenant: i64,
        content_id: String,
        delivered: Delivered,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let Delivered {
            keys,
            events,
            duplicates,
        } = delivered;
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        let duplicates = i64::try_from(duplicates).unwrap_or(i64::MAX);
        self.call(move |connection| {
            runs::remember(connection, tenant, &keys, millis(now))?;
            connection
                .prepare_cached(
                    "UPDATE blobs SET state = 'done', uri = NULL, kept = NULL, finished = ?3, event_count = ?4,
                         last_error = NULL
                     WHERE feed = ?1 AND content_id = ?2",
                )?
                .execute(params![feed, content_id, millis(now), events])?;
            connection
                .prepare_cached(
                    "UPDATE feeds SET blobs_delivered = blobs_delivered + 1, events_delivered = events_delivered + ?2,
                         duplicates_dropped = duplicates_dropped + ?3
                     WHERE id = ?1",
                )?
                .execute(params![feed, events, duplicates])?;
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
                     WHERE feed = ?1 AND content_id = ?2 AND state IN ('pending', 'quarantined')",
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

    /// A blob is set aside: it makes no sense, now.
    pub(crate) async fn set_aside(
        &self,
        feed: i64,
        content_id: String,
        aside: SetAside,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        self.call(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE blobs SET state = 'quarantined', attempts = attempts + 1, unusable = unusable + 1,
                         unusable_since = coalesce(unusable_since, ?3), finished = coalesce(finished, ?3),
                         next_attempt = ?4, last_error = ?5, kept = coalesce(?6, kept)
                     WHERE feed = ?1 AND content_id = ?2 AND state IN ('pending', 'quarantined')",
                )?
                .execute(params![
                    feed,
                    content_id,
                    millis(now),
                    millis(aside.not_before),
                    aside.reason,
                    aside.kept
                ])?;
            Ok(())
        })
        .await
    }

    /// A blob is not tried any more by itself: it has expired, or its address is refused.
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
                    "UPDATE blobs SET state = ?3, attempts = attempts + 1, finished = ?4, last_error = ?5,
                         next_attempt = ?6
                     WHERE feed = ?1 AND content_id = ?2 AND state IN ('pending', 'quarantined')",
                )?
                .execute(params![feed, content_id, state, millis(now), reason, NEVER])?;
            if expired {
                connection
                    .prepare_cached("UPDATE feeds SET blobs_expired = blobs_expired + 1 WHERE id = ?1")?
                    .execute([feed])?;
            }
            Ok(())
        })
        .await
    }

    /// What was set aside and has expired since is lost. Returns the tenant, content type, id and last error of each.
    pub(crate) async fn expire(&self, now: DateTime<Utc>) -> Result<Vec<[String; 4]>, LedgerError> {
        self.call(move |connection| {
            // What is due has its try first: somebody may have asked for it.
            let rows: Vec<(i64, [String; 4], i64)> = connection
                .prepare_cached(
                    "SELECT b.feed, t.guid, f.content_type, b.content_id, coalesce(b.last_error, ''), b.created, b.expiration
                     FROM blobs b JOIN feeds f ON f.id = b.feed JOIN tenants t ON t.id = f.tenant
                     WHERE b.state = 'quarantined' AND b.next_attempt > ?1",
                )?
                .query_map([millis(now)], |row| {
                    let expiration = match row.get::<_, Option<i64>>(6)? {
                        Some(expiration) => expiration,
                        None => millis(assumed_expiration(instant(row.get(5)?))),
                    };
                    Ok((
                        row.get(0)?,
                        [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
                        expiration,
                    ))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let mut expired = Vec::new();
            for (feed, names, expiration) in rows {
                if expiration >= millis(now) {
                    continue;
                }
                connection
                    .prepare_cached(
                        "UPDATE blobs SET state = 'expired', finished = ?3 WHERE feed = ?1 AND content_id = ?2",
                    )?
                    .execute(params![feed, names[2], millis(now)])?;
                connection
                    .prepare_cached("UPDATE feeds SET blobs_expired = blobs_expired + 1 WHERE id = ?1")?
                    .execute([feed])?;
                expired.push(names);
            }
            Ok(expired)
        })
        .await
    }

    /// Names of the files in the quarantine folder that belong to a blob.
    pub(crate) async fn kept(&self) -> Result<Vec<String>, LedgerError> {
        self.call(|connection| {
            connection
                .prepare_cached("SELECT kept FROM blobs WHERE state <> 'done' AND kept IS NOT NULL")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .await
    }

    /// Forgets what cannot come again, and events that were delivered longer ago than `keep_events`. Returns how many events and blobs that
    /// were.
    pub(crate) async fn evict(&self, now: DateTime<Utc>, keep_events: TimeDelta) -> Result<u64, LedgerError> {
        self.call(move |connection| {
            let events = runs::forget(connection, millis(now - keep_events))?;
            let done = connection.execute(
                "DELETE FROM blobs WHERE state = 'done' AND created < ?1",
                [millis(now - KEEP_DONE)],
            )?;
            let lost = connection.execute(
                "DELETE FROM blobs WHERE state IN ('expired', 'quarantined') AND created < ?1",
                [millis(now - KEEP_LOST)],
            )?;
            Ok(events + (done + lost) as u64)
        })
        .await
    }
}

/// No time at which anything is tried by itself.
const NEVER: i64 = i64::MAX;

const PENDING_DUE: &str = "
    SELECT content_id, uri, created, expiration, attempts, unusable, unusable_since, state = 'quarantined', kept
    FROM blobs WHERE feed = ?1 AND state = 'pending' AND next_attempt <= ?2
    ORDER BY expiration, created LIMIT ?3";
const QUARANTINED_DUE: &str = "
    SELECT content_id, uri, created, expiration, attempts, unusable, unusable_since, state = 'quarantined', kept
    FROM blobs WHERE feed = ?1 AND state = 'quarantined' AND next_attempt <= ?2
    ORDER BY next_attempt, created LIMIT ?3";

fn select_due(
    connection: &Connection,
    sql: &str,
    feed: i64,
    now: DateTime<Utc>,
    limit: usize,
) -> rusqlite::Result<Vec<PendingBlob>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(sql)?
        .query_map(params![feed, millis(now), limit], |row| {
            Ok(PendingBlob {
                content_id: row.get(0)?,
                uri: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                created: instant(row.get(2)?),
                expiration: row.get::<_, Option<i64>>(3)?.map(instant),
                attempts: row.get(4)?,
                unusable: row.get(5)?,
                unusable_since: row.get::<_, Option<i64>>(6)?.map(instant),
                quarantined: row.get(7)?,
                kept: row.get(8)?,
            })
        })?
        .collect()
}

fn record_blob(
    connection: &Connection,
    feed: i64,
    before: Before,
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
            "INSERT OR IGNORE INTO blobs (feed, content_id, uri, created, expiration, found, state, last_error,
                 next_attempt, watched)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            feed,
            blob.content_id,
            blob.uri,
            millis(blob.created),
            blob.expiration.map(millis),
            millis(now),
            state,
            blob.refusal,
            // An address that is refused stays so, unless the service gives another one.
            if blob.refusal.is_some() { NEVER } else { 0 },
            before.up_to_date(now),
        ])?;
    if inserted == 1 {
        recorded.new += 1;
        before.note(&mut recorded.late, blob.created, now);
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
