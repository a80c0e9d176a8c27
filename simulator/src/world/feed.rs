//! One feed: tenant times content type.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::content_type::ContentType;
use crate::files::Span;
use crate::random;
use crate::world::Recipe;

/// An event of the blob before, which the service delivers once more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Echo {
    pub(crate) index: u64,
    pub(crate) created: i64,
}

/// Where the text of a blob comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Generated {
        first: u64,
        count: u32,
        echoes: Arc<[Echo]>,
    },
    Lines {
        file: usize,
        spans: Arc<[Span]>,
    },
    Given(Arc<[Bytes]>),
    Raw(Bytes),
}

/// A content blob. Times are milliseconds of the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) created: i64,
    pub(crate) visible_from: i64,
    pub(crate) expires: i64,
    /// Counts the blobs of a feed in the order in which they were made.
    pub(crate) seq: u32,
    /// An id that does not follow the usual pattern.
    pub(crate) custom_id: Option<Box<str>>,
    pub(crate) source: Source,
    pub(crate) listed: u64,
    pub(crate) requested: u64,
    pub(crate) fetched: u64,
}

/// Whether content may be listed and fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Enabled,
    Disabled,
}

/// The subscription of a feed.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) state: State,
    /// Address, authentication id and expiration, as given.
    pub(crate) webhook: Option<(String, String, String)>,
    /// When `start` was last called, in milliseconds of the epoch.
    pub(crate) last_start: Option<i64>,
    /// Since when it is stopped.
    pub(crate) stopped: Option<i64>,
    /// From when to when it was stopped before.
    pub(crate) gaps: Vec<(i64, i64)>,
}

/// The blobs of one tenant and content type.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) tenant: usize,
    pub(crate) content_type: ContentType,
    pub(crate) subscription: Subscription,
    /// Ordered by creation, then by number.
    blobs: Vec<Blob>,
    next_seq: u32,
    /// Creation and number of the blobs with ids of their own.
    custom: HashMap<Box<str>, (i64, u32)>,
}

impl Feed {
    pub(crate) fn new(tenant: usize, content_type: ContentType, subscribed: bool) -> Self {
        let state = if subscribed { State::Enabled } else { State::Absent };
        Self {
            tenant,
            content_type,
            subscription: Subscription {
                state,
                webhook: None,
                last_start: None,
                stopped: None,
                gaps: Vec::new(),
            },
            blobs: Vec::new(),
            next_seq: 0,
            custom: HashMap::new(),
        }
    }

    pub(crate) fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// Whether listings show the blob at `now`. What became available while the subscription was stopped never shows.
    pub(crate) fn shows(&self, blob: &Blob, now: i64) -> bool {
        let lost = |(from, to): &(i64, i64)| *from <= blob.visible_from && blob.visible_from < *to;
        blob.visible_from <= now && !self.subscription.gaps.iter().any(lost)
    }

    /// Puts a blob in its place; the number in it is replaced by the next free one. Cheap in order of creation.
    pub(crate) fn insert(&mut self, mut blob: Blob) -> &Blob {
        blob.seq = self.next_seq;
        self.next_seq += 1;
        if let Some(id) = &blob.custom_id {
            self.custom.insert(id.clone(), (blob.created, blob.seq));
        }
        let key = (blob.created, blob.seq);
        let at = self
            .blobs
            .partition_point(|other| (other.created, other.seq) < key);
        self.blobs.insert(at, blob);
        &self.blobs[at]
    }

    /// The positions of the blobs with `start <= created < end`.
    pub(crate) fn created_within(&self, start: i64, end: i64) -> std::ops::Range<usize> {
        let from = self.blobs.partition_point(|blob| blob.created < start);
        from..self.blobs.partition_point(|blob| blob.created < end).max(from)
    }

    /// Finds a blob by the exact bytes of its id.
    pub(crate) fn find(&mut self, content_id: &str) -> Option<&mut Blob> {
        let at = if let Some(key) = self.custom.get(content_id) {
            self.blobs
                .binary_search_by_key(key, |blob| (blob.created, blob.seq))
                .ok()
        } else {
            // An ordinary id begins with its creation to the millisecond.
            let created = created_of(content_id)?;
            self.created_within(created, created + 1)
                .find(|at| self.content_id(&self.blobs[*at]) == content_id)
        };
        at.and_then(|at| self.blobs.get_mut(at))
    }

    pub(crate) fn blob_at(&mut self, at: usize) -> Option<&mut Blob> {
        self.blobs.get_mut(at)
    }

    pub(crate) fn recipe(&self, blob: &Blob) -> Recipe {
        Recipe {
            tenant: self.tenant,
            content_type: self.content_type,
            created: blob.created,
            source: blob.source.clone(),
        }
    }

    /// The id of a blob, as the service builds them: creation, end of filling, feed twice, storage cell.
    pub(crate) fn content_id(&self, blob: &Blob) -> String {
        if let Some(id) = &blob.custom_id {
            return id.to_string();
        }
        let digest = random::hash(&[
            self.tenant as u64,
            self.content_type.index() as u64,
            u64::from(blob.seq),
        ]);
        let filled = blob.created + i64::try_from(digest % 900_000).unwrap_or(0);
        // The number of the blob makes the id unique: six digits here, the rest there.
        let (low, high) = (blob.seq % 1_000_000, blob.seq / 1_000_000);
        format!(
            "{}{low:06}${}{:02}{high:04}${}$emea{:04}",
            digits(blob.created),
            digits(filled),
            digest >> 32 & 0x3f,
            self.content_type.id_part(),
            self.tenant + 1
        )
    }
}

/// `YYYYMMDDhhmmss` and three digits of milliseconds.
fn digits(millis: i64) -> String {
    instant(millis).format("%Y%m%d%H%M%S%3f").to_string()
}

fn created_of(content_id: &str) -> Option<i64> {
    let digits = content_id.get(..17)?;
    let (seconds, millis) = digits.split_at(14);
    let time = chrono::NaiveDateTime::parse_from_str(seconds, "%Y%m%d%H%M%S").ok()?;
    Some(time.and_utc().timestamp_millis() + millis.parse::<i64>().ok()?)
}

/// The instant of these milliseconds.
pub(crate) fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_NOW;

    fn blob(created: i64) -> Blob {
        Blob {
            created,
            visible_from: created,
            expires: created + 1,
            seq: 0,
            custom_id: None,
            source: Source::Raw(Bytes::new()),
            listed: 0,
            requested: 0,
            fetched: 0,
        }
    }

    #[test]
    fn blobs_are_found_by_id_also_with_the_same_creation() {
        let mut feed = Feed::new(2, ContentType::Exchange, true);
        let now = DEFAULT_NOW.timestamp_millis() + 748;
        for created in [now, now + 5, now, now - 1] {
            feed.insert(blob(created));
        }
        let ids: Vec<_> = feed.blobs().iter().map(|blob| feed.content_id(blob)).collect();
        assert_eq!(ids.len(), 4);
        assert!(ids[1].starts_with("20260115120000748000000$"), "{}", ids[1]);
        assert!(
            ids[1].ends_with("$audit_exchange$Audit_Exchange$emea0003"),
            "{}",
            ids[1]
        );
        for (at, id) in ids.iter().enumerate() {
            let (created, seq) = (feed.blobs()[at].created, feed.blobs()[at].seq);
            let found = feed.find(id).unwrap();
            assert_eq!((found.created, found.seq), (created, seq));
        }
        assert!(feed.find(&ids[0].replace('$', "%24")).is_none());
        assert!(feed.find("nonsense").is_none());
    }

    #[test]
    fn the_end_of_a_range_is_exclusive() {
        let mut feed = Feed::new(0, ContentType::Dlp, true);
        for created in [10, 20, 20, 30] {
            feed.insert(blob(created));
        }
        assert_eq!(feed.created_within(10, 20), 0..1);
        assert_eq!(feed.created_within(20, 31), 1..4);
        assert_eq!(feed.created_within(31, 5), 4..4);
    }
}
