//! The ids of delivered events, in rows of what happened at about the same time.
//!
//! A row for each id would cost each event a lookup and a change of two sorted tables, somewhere among all that is known. But a blob
//! holds a stretch of a feed's time. So its ids are sorted by time and cut into runs of a limited span. A run is one row, behind all
//! others, and one entry in an index of times. Whether events are known is asked for a stretch of time at once, of the runs that
//! overlap it. So it matters how many events the tenant had in the time that a blob covers, and not how many are known.
//!
//! Keys of older formats, which had a row each in the table `events`, stay there until they are forgotten, and are asked for as long as
//! there are some.

use std::{cell::Cell, collections::HashMap};

use rusqlite::{Connection, params};

use super::{EventKey, count};

/// What the times of a run's events differ by at most, in seconds: so an index of when runs begin finds those that overlap.
const SPAN: u32 = 600;
/// Ids of a run at most: a third of a page.
const MOST: usize = 64;
/// Bytes in front of each id: its second, counted from the first of the run, little endian.
const OFFSET: usize = 2;

/// Remembers events of a tenant that were delivered at this time.
pub(super) fn remember(
    connection: &Connection,
    tenant: i64,
    keys: &[EventKey],
    seen: i64,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO runs (tenant, first_second, last_second, seen, events, ids) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for run in runs(&by_time(keys)) {
        let (first, last) = ends(run);
        let ids: Vec<u8> = run
            .iter()
            .flat_map(|(second, key)| {
                let offset = u16::try_from(second - first).unwrap_or(u16::MAX);
                offset.to_le_bytes().into_iter().chain(key.id().iter().copied())
            })
            .collect();
        let events = u32::try_from(run.len()).unwrap_or(u32::MAX);
        insert.execute(params![tenant, first, last, seen, events, ids])?;
    }
    Ok(())
}

/// Which of these events of a tenant are remembered.
pub(super) fn known(connection: &Connection, tenant: i64, keys: &[EventKey]) -> rusqlite::Result<Vec<bool>> {
    let known: HashMap<(u32, &[u8]), Cell<bool>> = keys
        .iter()
        .map(|key| ((key.second(), key.id()), Cell::new(false)))
        .collect();
    let mut overlapping = connection.prepare_cached(
        "SELECT first_second, ids FROM runs
         WHERE tenant = ?1 AND first_second BETWEEN ?2 - ?4 AND ?3 AND last_second >= ?2",
    )?;
    // No run reaches over such a gap, so none is read twice.
    for stretch in by_time(keys).chunk_by(|(one, _), (next, _)| next - one <= SPAN) {
        let (first, last) = ends(stretch);
        let seconds = Seconds::of(stretch);
        let mut rows = overlapping.query(params![tenant, first, last, SPAN])?;
        while let Some(row) = rows.next()? {
            for key in keys_of(row.get(0)?, row.get_ref(1)?.as_blob()?) {
                if seconds.has(key.0)
                    && let Some(known) = known.get(&key)
                {
                    known.set(true);
                }
            }
        }
    }
    let has_older = connection
        .prepare_cached("SELECT 1 FROM old_keys WHERE until IS NOT NULL")?
        .exists([])?;
    let mut older =
        connection.prepare_cached("SELECT 1 FROM events WHERE tenant = ?1 AND key IN (?2, ?3)")?;
    keys.iter()
        .map(|key| {
            let is_known = known[&(key.second(), key.id())].get();
            if is_known || !has_older {
                return Ok(is_known);
            }
            let [with_hour, bare] = key.of_older_formats();
            older.exists(params![tenant, with_hour, bare])
        })
        .collect()
}

/// Forgets what was delivered before this time. Returns how many events that were.
pub(super) fn forget(connection: &Connection, before: i64) -> rusqlite::Result<u64> {
    let events = delete(connection, "seen < ?1", before)?;
    connection.execute("UPDATE old_keys SET until = NULL WHERE until < ?1", [before])?;
    Ok(events)
}

/// Forgets what was delivered of a tenant. Returns how many events that were.
pub(super) fn forget_tenant(connection: &Connection, tenant: i64) -> rusqlite::Result<u64> {
    delete(connection, "tenant = ?1", tenant)
}

/// Deletes the rows of either table that the condition is true of. Returns how many events that were.
fn delete(connection: &Connection, condition: &str, bound: i64) -> rusqlite::Result<u64> {
    let runs: u64 = connection
        .prepare(&format!("DELETE FROM runs WHERE {condition} RETURNING events"))?
        .query_map([bound], |row| count(row, 0))?
        .sum::<rusqlite::Result<_>>()?;
    let older = connection.execute(&format!("DELETE FROM events WHERE {condition}"), [bound])?;
    Ok(runs + older as u64)
}

/// An event and its second.
type Timed<'k> = (u32, &'k EventKey);

/// The earliest first.
fn by_time(keys: &[EventKey]) -> Vec<Timed<'_>> {
    let mut sorted: Vec<_> = keys.iter().map(|key| (key.second(), key)).collect();
    sorted.sort_by_key(|(second, _)| *second);
    sorted
}

/// Cuts what is sorted by time into runs.
fn runs<'s, 'k>(mut sorted: &'s [Timed<'k>]) -> impl Iterator<Item = &'s [Timed<'k>]> {
    std::iter::from_fn(move || {
        let (first, _) = sorted.first()?;
        let end = sorted
            .iter()
            .take(MOST)
            .take_while(|(second, _)| second - first <= SPAN)
            .count();
        let (run, behind) = sorted.split_at(end);
        sorted = behind;
        Some(run)
    })
}

/// The first and the last second of what is sorted by time and not empty.
fn ends(sorted: &[Timed<'_>]) -> (u32, u32) {
    (sorted[0].0, sorted[sorted.len() - 1].0)
}

/// The seconds that are asked for, a bit each: most of what is read is of others.
struct Seconds {
    first: u32,
    bits: Vec<u64>,
}

impl Seconds {
    fn of(stretch: &[Timed<'_>]) -> Self {
        let (first, last) = ends(stretch);
        let mut bits = vec![0; (last - first) as usize / 64 + 1];
        for (second, _) in stretch {
            let at = (second - first) as usize;
            bits[at / 64] |= 1 << (at % 64);
        }
        Self { first, bits }
    }

    fn has(&self, second: u32) -> bool {
        let at = second.wrapping_sub(self.first) as usize;
        self.bits
            .get(at / 64)
            .is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }
}

/// Second and id of each event of a row.
fn keys_of(first: u32, mut ids: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (offset, behind) = ids.split_first_chunk::<OFFSET>()?;
        let (id, behind) = EventKey::split_id(behind)?;
        ids = behind;
        Some((first.saturating_add(u16::from_le_bytes(*offset).into()), id))
    })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use super::{
        super::{
            Ledger, schema,
            tests::{Fixture, at, sent},
        },
        *,
    };

    fn key(number: u128, time: DateTime<Utc>) -> EventKey {
        let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let digits = format!("{id:032x}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        let created = time.format("%Y-%m-%dT%H:%M:%S").to_string();
        EventKey::new(&parts.join("-"), Some(&created)).unwrap()
    }

    fn memory() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        connection
            .execute_batch("INSERT INTO tenants (id, guid) VALUES (1, 'a'), (2, 'b')")
            .unwrap();
        connection
    }

    proptest! {
        /// Whatever lies beside it, an event is known by its second, its id and its tenant, until it is forgotten.
        #[test]
        fn known_is_what_was_remembered(
            blobs in proptest::collection::vec(proptest::collection::vec((0_u16..200, 0_i64..40), 0..120), 0..6),
            asked in proptest::collection::vec((0_u16..200, 0_i64..40), 0..120),
        ) {
            // Times at and beside the bounds of a run; some events are known by a text.
            let key = |&(number, step): &(u16, i64)| {
                let time = at(0) + TimeDelta::seconds(step / 2 * i64::from(SPAN / 4) + step % 2);
                match number % 5 {
                    0 => EventKey::new(&format!("event {number}"), Some(&time.to_rfc3339())).unwrap(),
                    1 => EventKey::new(&format!("event {number}"), None).unwrap(),
                    _ => key(number.into(), time),
                }
            };
            let connection = memory();
            let mut model = std::collections::HashSet::new();
            for (seen, blob) in (0..).zip(&blobs) {
                let keys: Vec<_> = blob.iter().map(key).collect();
                remember(&connection, 1, &keys, seen).unwrap();
                model.extend(keys);
            }
            let asked: Vec<_> = asked.iter().map(key).collect();
            let expect: Vec<_> = asked.iter().map(|key| model.contains(key)).collect();
            prop_assert_eq!(known(&connection, 1, &asked).unwrap(), expect);
            prop_assert_eq!(known(&connection, 2, &asked).unwrap(), vec![false; asked.len()]);
            let events = blobs.iter().map(Vec::len);
            let first = events.clone().take(1).sum::<usize>() as u64;
            prop_assert_eq!(forget(&connection, 1).unwrap(), first);
            let left: std::collections::HashSet<_> = blobs.iter().skip(1).flatten().map(key).collect();
            let expect: Vec<_> = asked.iter().map(|key| left.contains(key)).collect();
            prop_assert_eq!(known(&connection, 1, &asked).unwrap(), expect);
            prop_assert_eq!(forget_tenant(&connection, 2).unwrap(), 0);
            prop_assert_eq!(forget_tenant(&connection, 1).unwrap(), events.sum::<usize>() as u64 - first);
            prop_assert_eq!(known(&connection, 1, &asked).unwrap(), vec![false; asked.len()]);
        }
    }

    /// Pages that a blob changes, with a hundred thousand events known: with a row for each id each event would change one of its own.
    #[tokio::test]
    async fn a_blob_is_written_to_a_few_pages_however_many_events_are_known() {
        const EVENTS: i64 = 200;
        let fixture = Fixture::new().await;
        let (row, ledger) = (fixture.row, &fixture.ledger);
        let mut number = 0_u128;
        // Blobs of a quarter of an hour, twice as many in each hour as would follow each other.
        let mut deliver = async |blob: i64| {
            let begin = at(0) + TimeDelta::minutes(15) * i32::try_from(blob / 2).unwrap();
            let keys = (0..EVENTS).map(|event| {
                number += 1;
                key(number, begin + TimeDelta::seconds(event * 15 * 60 / EVENTS))
            });
            let sent = sent(keys.collect(), 200);
            ledger
                .delivered(row.feed, row.tenant, blob.to_string(), sent, at(0))
                .await
                .unwrap();
        };
        for blob in 0..500 {
            deliver(blob).await;
        }
        let path = Fixture::path(&fixture.folder);
        Connection::open(&path)
            .unwrap()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        for blob in 100..110 {
            deliver(blob).await;
        }
        let log = std::fs::metadata(path.with_extension("sqlite-wal"))
            .unwrap()
            .len();
        let pages = log / 4096 / 10;
        assert!(
            (1..=8).contains(&pages),
            "{pages} pages for a blob of {EVENTS} events"
        );
    }

    /// Keys of older formats are known until the last of them is forgotten.
    #[tokio::test]
    async fn events_of_older_ledgers_are_still_known() {
        // 490930 is 0x77db2.
        let second = "(1, X'000000000000000000000000000000aa', ?), (1, X'7465787420696400000000000000000000616263', ?)";
        let third = "(1, X'00077db2000000000000000000000000000000ac', ?),
            (1, X'000000007465787420696400000000000000000000616265', ?)";
        for (version, rows) in [(2, second.to_owned()), (3, format!("{second}, {third}"))] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger.sqlite");
            let old = Connection::open(&path).unwrap();
            old.execute_batch(&schema::OLDER[..version].concat()).unwrap();
            old.execute_batch(&format!(
                "INSERT INTO tenants (id, guid) VALUES (1, '41463f53-8812-40f4-890f-865bf6e35190');
                 INSERT INTO events VALUES {};
                 PRAGMA user_version = {version};",
                rows.replace('?', &at(0).timestamp_millis().to_string())
            ))
            .unwrap();
            drop(old);
            let ledger = Ledger::open(&path).await.unwrap();
            let key = |id| EventKey::new(id, Some("2026-01-02T10:20:30"));
            let asked = || {
                let keys = [
                    key("00000000-0000-0000-0000-0000000000aa"),
                    key("ABC"),
                    key("00000000-0000-0000-0000-0000000000ac"),
                    EventKey::new("abe", None),
                    key("00000000-0000-0000-0000-0000000000ab"),
                    EventKey::new(
                        "00000000-0000-0000-0000-0000000000ac",
                        Some("2026-01-02T11:20:30"),
                    ),
                    key("abd"),
                    key("abe"),
                ];
                keys.map(Option::unwrap).to_vec()
            };
            let has_third = version == 3;
            let expect = [true, true, has_third, has_third, false, false, false, false];
            assert_eq!(ledger.known(1, asked()).await.unwrap(), expect);
            let keep = TimeDelta::hours(60);
            ledger.evict(at(30), keep).await.unwrap();
            assert_eq!(ledger.known(1, asked()).await.unwrap(), expect);
            ledger.evict(at(61), keep).await.unwrap();
            assert_eq!(ledger.known(1, asked()).await.unwrap(), [false; 8]);
            let left: Option<i64> = Connection::open(&path)
                .unwrap()
                .query_row("SELECT until FROM old_keys", [], |row| row.get(0))
                .unwrap();
            assert_eq!(left, None);
        }
    }

    #[test]
    fn a_forgotten_tenant_takes_its_older_keys_with_it() {
        let connection = memory();
        connection
            .execute_batch(
                "INSERT INTO events VALUES (1, X'aa', 5), (2, X'aa', 5); UPDATE old_keys SET until = 5",
            )
            .unwrap();
        assert_eq!(forget_tenant(&connection, 1).unwrap(), 1);
        assert_eq!(forget(&connection, 6).unwrap(), 1);
    }
}
