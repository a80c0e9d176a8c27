//! What an event is known by.
//!
//! The service repeats events, as the same record: with the same `Id`, and of course with the same `CreationTime`. Ids are random, and
//! a table sorted by something random is written to everywhere: each new id changes another page, and with ten million ids
//! every event costs a page of disk. So a key begins with the hour in which the event happened. What is delivered together
//! happened at about the same time, and is written to a few pages.
//!
//! An `Id` that comes again with another hour counts as another event: delivered twice rather than lost.

/// An event's `Id` as it is compared, a GUID as its 16 bytes, any other text in lower case, behind the hour of its `CreationTime`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventKey(Bytes);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Bytes {
    Guid([u8; HOUR + 16]),
    /// Never as long as a GUID's bytes.
    Text(Box<[u8]>),
}

/// Bytes of the hour: hours since 1970, big endian, 0 for an event without a time.
const HOUR: usize = 4;

impl EventKey {
    /// Longer texts are no ids.
    const MAX: usize = 256;

    /// Nothing for a text that cannot tell events apart. `created` is the event's `CreationTime`.
    pub(crate) fn new(id: &str, created: Option<&str>) -> Option<Self> {
        let id = id.trim();
        if id.is_empty() || id.len() > Self::MAX {
            return None;
        }
        let hour = created.and_then(hour).unwrap_or(0).to_be_bytes();
        if crate::types::is_guid(id) {
            let mut bytes = [0; HOUR + 16];
            bytes[..HOUR].copy_from_slice(&hour);
            let digits = id.bytes().filter_map(|byte| char::from(byte).to_digit(16));
            for (at, digit) in digits.enumerate() {
                let byte = &mut bytes[HOUR + at / 2];
                *byte = *byte << 4 | u8::try_from(digit).unwrap_or_default();
            }
            return Some(Self(Bytes::Guid(bytes)));
        }
        let mut text = hour.to_vec();
        text.extend_from_slice(b"text id\0\0\0\0\0\0\0\0\0\0");
        text.extend(id.to_lowercase().bytes());
        Some(Self(Bytes::Text(text.into())))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Guid(bytes) => bytes,
            Bytes::Text(bytes) => bytes,
        }
    }

    /// The key in a ledger of format 2, which knew no hours.
    pub(super) fn without_hour(&self) -> &[u8] {
        &self.as_bytes()[HOUR..]
    }
}

/// Hours since 1970 of a time that begins `YYYY-MM-DDTHH`, whatever its zone: the same text gives the same hour, and nobody reads it
/// as a time.
fn hour(created: &str) -> Option<u32> {
    let bytes = created.as_bytes();
    if !matches!(
        bytes.get(..13)?,
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't' | b' ', _, _]
    ) {
        return None;
    }
    let number = |at: std::ops::Range<usize>| {
        let digits = created.get(at)?;
        // `parse` takes a sign.
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse::<u32>().ok())?
    };
    let year = i32::try_from(number(0..4)?).ok()?;
    let day = chrono::NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
    let time = day.and_hms_opt(number(11..13)?, 0, 0)?;
    u32::try_from(time.and_utc().timestamp() / 3600).ok()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{
        super::{
            Ledger, schema,
            tests::{Fixture, at, sent},
        },
        *,
    };

    #[test]
    fn ids_are_compared_without_case_and_an_empty_one_is_none() {
        let key = |id: &str| EventKey::new(id, Some("2026-01-15T10:20:30"));
        let guid = key("41463F53-8812-40F4-890F-865BF6E35190").unwrap();
        assert_eq!(Some(&guid), key("41463f53-8812-40f4-890f-865bf6e35190").as_ref());
        assert_eq!(guid.as_bytes().len(), 20);
        assert_eq!(
            guid.without_hour(),
            0x4146_3f53_8812_40f4_890f_865b_f6e3_5190_u128.to_be_bytes()
        );
        assert_eq!(key("ABC"), key("abc"));
        assert_ne!(key("abc"), key("abd"));
        assert_eq!(key(" "), None);
        assert_eq!(key(&"x".repeat(300)), None);
    }

    #[test]
    fn the_hour_is_read_from_what_begins_like_a_time() {
        let expect = Some(490_930);
        for created in [
            "2026-01-02T10:20:30",
            "2026-01-02T10:59:59Z",
            "2026-01-02T10",
            "2026-01-02 10:20",
            "2026-01-02t10:00:00.1+01:00",
        ] {
            assert_eq!(hour(created), expect, "{created}");
        }
        assert_eq!(hour("2026-01-02T11:00:00"), expect.map(|hour| hour + 1));
        for created in [
            "",
            "2026-01-02",
            "2026-13-02T10:00:00",
            "2026-01-02T24:00:00",
            "01/02/2026 10:00:00",
            "1969-12-31T10:00:00",
            "2026-01-02T+1:00",
            "٢٠٢٦-٠١-٠٢",
        ] {
            assert_eq!(hour(created), None, "{created}");
        }
    }

    #[test]
    fn the_same_id_in_another_hour_is_another_event() {
        let key = |created| EventKey::new("41463f53-8812-40f4-890f-865bf6e35190", created);
        assert_eq!(
            key(Some("2026-01-02T10:00:00")),
            key(Some("2026-01-02T10:00:00Z"))
        );
        assert_ne!(key(Some("2026-01-02T10:00:00")), key(Some("2026-01-02T11:00:00")));
        assert_ne!(key(Some("2026-01-02T10:00:00")), key(None));
        assert_eq!(key(Some("yesterday")), key(None));
    }

    /// What is delivered together changes pages that lie together: with random keys each event of a blob would change one of its own.
    #[tokio::test]
    async fn a_blob_is_written_to_a_few_pages_however_many_events_are_known() {
        const EVENTS: u128 = 200;
        let fixture = Fixture::new().await;
        let (row, ledger) = (fixture.row, &fixture.ledger);
        let mut number = 0_u128;
        let mut deliver = async |hour: u128| {
            let created = format!("2026-01-{:02}T{:02}:00:00", 1 + hour / 24, hour % 24);
            let keys = (0..EVENTS).map(|_| {
                number += 1;
                let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                let digits = format!("{id:032x}");
                let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
                EventKey::new(&parts.join("-"), Some(&created)).unwrap()
            });
            let sent = sent(keys.collect(), 200);
            ledger
                .delivered(row.feed, row.tenant, hour.to_string(), sent, at(0))
                .await
                .unwrap();
        };
        for hour in 0..240 {
            deliver(hour).await;
        }
        let path = Fixture::path(&fixture.folder);
        rusqlite::Connection::open(&path)
            .unwrap()
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        for blob in 0..10 {
            deliver(100 + blob).await;
        }
        let log = std::fs::metadata(path.with_extension("sqlite-wal"))
            .unwrap()
            .len();
        let pages = log / 4096 / 10;
        assert!(
            (1..=40).contains(&pages),
            "{pages} pages for a blob of {EVENTS} events"
        );
    }

    /// Keys without an hour are known until the last of them is forgotten, whatever hour the event has.
    #[tokio::test]
    async fn events_of_a_ledger_of_the_second_version_are_still_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let old = rusqlite::Connection::open(&path).unwrap();
        old.execute_batch(&schema::FIRST.concat()).unwrap();
        old.execute_batch(&format!(
            "INSERT INTO tenants (id, guid) VALUES (1, '41463f53-8812-40f4-890f-865bf6e35190');
             INSERT INTO events VALUES (1, X'000000000000000000000000000000aa', {seen}), (1, X'7465787420696400000000000000000000616263', {seen});
             PRAGMA user_version = 2;",
            seen = at(0).timestamp_millis()
        ))
        .unwrap();
        drop(old);
        let ledger = Ledger::open(&path).await.unwrap();
        let key = |id| EventKey::new(id, Some("2026-01-15T10:20:30")).unwrap();
        let asked = || {
            vec![
                key("00000000-0000-0000-0000-0000000000aa"),
                key("ABC"),
                key("00000000-0000-0000-0000-0000000000ab"),
                key("abd"),
            ]
        };
        assert_eq!(
            ledger.known(1, asked()).await.unwrap(),
            [true, true, false, false]
        );
        let keep = TimeDelta::hours(60);
        ledger.evict(at(30), keep).await.unwrap();
        assert_eq!(
            ledger.known(1, asked()).await.unwrap(),
            [true, true, false, false]
        );
        ledger.evict(at(61), keep).await.unwrap();
        assert_eq!(ledger.known(1, asked()).await.unwrap(), [false; 4]);
        let left: Option<i64> = rusqlite::Connection::open(&path)
            .unwrap()
            .query_row("SELECT until FROM old_keys", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, None);
    }
}
