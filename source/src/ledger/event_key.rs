//! What an event is known by.
//!
//! The service repeats events, as the same record: with the same `Id`, and of course with the same `CreationTime`. Ids are random, and
//! a table sorted by something random is written to everywhere. What is delivered together happened at about the same time: so the
//! ledger looks events up by their time, and compares the `Id` there ([`super::runs`]).
//!
//! An `Id` that comes again with another second counts as another event: delivered twice rather than lost.

use std::hash::{Hash, Hasher};

/// An event's `Id` as it is compared, and the second of its `CreationTime`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventKey {
    /// Seconds since 1970, nothing for an event without a time.
    created: Option<u32>,
    id: Id,
}

/// As it is kept: a byte that says what follows, and the bytes of a GUID or of a text in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    /// The first byte is [`GUID`].
    Guid([u8; 1 + GUID_BYTES]),
    /// The first byte is the length of the text, and never [`GUID`].
    Text(Box<[u8]>),
}

/// By the id alone, which tells nearly all events apart.
impl Hash for EventKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.id());
    }
}

const GUID: u8 = 0;
const GUID_BYTES: usize = 16;

impl EventKey {
    /// Longer texts, in lower case, are no ids.
    const MAX: usize = u8::MAX as usize;

    /// Nothing for a text that cannot tell events apart. `created` is the event's `CreationTime`.
    pub(crate) fn new(id: &str, created: Option<&str>) -> Option<Self> {
        let id = id.trim();
        let created = created.and_then(second);
        if crate::types::is_guid(id) {
            let mut bytes = [GUID; 1 + GUID_BYTES];
            let digits = id.bytes().filter_map(|byte| char::from(byte).to_digit(16));
            for (at, digit) in digits.enumerate() {
                let byte = &mut bytes[1 + at / 2];
                *byte = *byte << 4 | u8::try_from(digit).unwrap_or_default();
            }
            return Some(Self {
                created,
                id: Id::Guid(bytes),
            });
        }
        if id.len() > Self::MAX {
            return None;
        }
        let text = id.to_lowercase();
        let length = u8::try_from(text.len()).ok().filter(|length| *length != GUID)?;
        let mut bytes = vec![length];
        bytes.extend(text.bytes());
        Some(Self {
            created,
            id: Id::Text(bytes.into()),
        })
    }

    /// The `Id` as it is kept.
    pub(super) fn id(&self) -> &[u8] {
        match &self.id {
            Id::Guid(bytes) => bytes,
            Id::Text(bytes) => bytes,
        }
    }

    /// Where the event is looked for, in seconds since 1970. Those without a time are spread by their ids, so that they do not
    /// all lie at the same second.
    pub(super) fn second(&self) -> u32 {
        // FNV-1a.
        let of_id = |id: &[u8]| {
            id.iter().fold(0x811c_9dc5, |hash: u32, byte| {
                (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
            })
        };
        self.created.unwrap_or_else(|| of_id(self.id()))
    }

    /// The keys that older formats of the ledger had for this event: of format 3 with the hour in front, of those before without.
    pub(super) fn of_older_formats(&self) -> [Vec<u8>; 2] {
        let without_hour = match &self.id {
            Id::Guid(bytes) => bytes[1..].to_vec(),
            Id::Text(bytes) => [b"text id\0\0\0\0\0\0\0\0\0\0", &bytes[1..]].concat(),
        };
        let hour = self.created.map_or(0, |second| second / 3600);
        [[&hour.to_be_bytes(), &*without_hour].concat(), without_hour]
    }

    /// Takes the first of the ids that lie behind each other.
    pub(super) fn split_id(ids: &[u8]) -> Option<(&[u8], &[u8])> {
        let length = match *ids.first()? {
            GUID => GUID_BYTES,
            length => length.into(),
        };
        ids.split_at_checked(1 + length)
    }
}

/// Seconds since 1970 of a time that begins `YYYY-MM-DDTHH`, whatever its zone: the same text gives the same second, and nobody reads it
/// as a time. Minutes and seconds that are missing or none are 0.
fn second(created: &str) -> Option<u32> {
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
    let behind_colon = |at: usize| {
        let is_there = bytes.get(at) == Some(&b':');
        let number = is_there.then(|| number(at + 1..at + 3)).flatten();
        number.filter(|number| *number < 60).unwrap_or(0)
    };
    let year = i32::try_from(number(0..4)?).ok()?;
    let day = chrono::NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
    let time = day.and_hms_opt(number(11..13)?, behind_colon(13), behind_colon(16))?;
    u32::try_from(time.and_utc().timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_without_case_and_an_empty_one_is_none() {
        let key = |id: &str| EventKey::new(id, Some("2026-01-15T10:20:30"));
        let guid = key("41463F53-8812-40F4-890F-865BF6E35190").unwrap();
        assert_eq!(Some(&guid), key("41463f53-8812-40f4-890f-865bf6e35190").as_ref());
        assert_eq!(
            guid.id(),
            [
                &[0],
                &0x4146_3f53_8812_40f4_890f_865b_f6e3_5190_u128.to_be_bytes()[..]
            ]
            .concat()
        );
        assert_eq!(key("ABC"), key("abc"));
        assert_ne!(key("abc"), key("abd"));
        assert_eq!(key(" "), None);
        assert!(key(&"x".repeat(255)).is_some());
        assert_eq!(key(&"x".repeat(256)), None);
        // Lower case is longer: three bytes for two.
        assert_eq!(key(&"\u{130}".repeat(100)), None);
    }

    #[test]
    fn ids_that_lie_behind_each_other_are_taken_apart() {
        let keys = ["41463f53-8812-40f4-890f-865bf6e35190", "a", "exactly 16 bytes"]
            .map(|id| EventKey::new(id, None).unwrap());
        let all: Vec<u8> = keys.iter().flat_map(|key| key.id().to_vec()).collect();
        let mut rest = &*all;
        for key in &keys {
            let (id, behind) = EventKey::split_id(rest).unwrap();
            assert_eq!(id, key.id());
            rest = behind;
        }
        assert_eq!(EventKey::split_id(rest), None);
        assert_eq!(EventKey::split_id(&all[..16]), None, "half an id");
    }

    #[test]
    fn the_second_is_read_from_what_begins_like_a_time() {
        let hour = 490_930 * 3600;
        for (created, expect) in [
            ("2026-01-02T10:20:30", hour + 20 * 60 + 30),
            ("2026-01-02T10:59:59Z", hour + 3599),
            ("2026-01-02T10:59:59.9Z", hour + 3599),
            ("2026-01-02T10", hour),
            ("2026-01-02 10:20", hour + 20 * 60),
            ("2026-01-02t10:00:00.1+01:00", hour),
            ("2026-01-02T10:61:07", hour + 7),
            ("2026-01-02T10:1", hour),
            ("2026-01-02T11:00:00", hour + 3600),
        ] {
            assert_eq!(second(created), Some(expect), "{created}");
        }
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
            assert_eq!(second(created), None, "{created}");
        }
    }

    #[test]
    fn the_same_id_in_another_second_is_another_event() {
        let key = |created| EventKey::new("41463f53-8812-40f4-890f-865bf6e35190", created);
        assert_eq!(
            key(Some("2026-01-02T10:00:00")),
            key(Some("2026-01-02T10:00:00.5Z"))
        );
        assert_ne!(key(Some("2026-01-02T10:00:00")), key(Some("2026-01-02T10:00:01")));
        assert_ne!(key(Some("2026-01-02T10:00:00")), key(None));
        assert_eq!(key(Some("yesterday")), key(None));
    }

    #[test]
    fn events_without_a_time_do_not_lie_together() {
        let seconds: std::collections::HashSet<_> = (0..1_000)
            .map(|number| EventKey::new(&format!("event {number}"), None).unwrap().second())
            .collect();
        assert_eq!(seconds.len(), 1_000);
    }
}
