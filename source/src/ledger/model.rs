//! The ledger against a simple model, under any order of what feeds do with it, crashes among them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{blobs::Recorded, tests::*, *};
use crate::plan::Progress;

#[derive(Debug, Clone)]
enum Action {
    /// A listing: ids, each with the number of its address; and how far the cursor moves.
    Record(Vec<(u8, u8)>, i64),
    Retry(u8, i64),
    Delivered(u8, BTreeSet<u8>),
    Lost(u8, bool),
    Evict,
    Crash,
    /// Hours pass.
    Pass(i64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (proptest::collection::vec((0_u8..12, 0_u8..2), 0..6), 0_i64..30)
            .prop_map(|(blobs, hours)| Action::Record(blobs, hours)),
        2 => (0_u8..12, 0_i64..20).prop_map(|(blob, hours)| Action::Retry(blob, hours)),
        3 => (0_u8..12, proptest::collection::btree_set(0_u8..20, 0..5))
            .prop_map(|(blob, events)| Action::Delivered(blob, events)),
        1 => (0_u8..12, any::<bool>()).prop_map(|(blob, expired)| Action::Lost(blob, expired)),
        1 => Just(Action::Evict),
        1 => Just(Action::Crash),
        2 => (1_i64..400).prop_map(Action::Pass),
    ]
}

#[derive(Debug, Clone)]
struct Known {
    address: String,
    created: i64,
    state: BlobState,
    next_attempt: i64,
}

impl Known {
    fn is_open(&self) -> bool {
        matches!(self.state, BlobState::Pending | BlobState::Quarantined)
    }
}

/// Only a restart brings such a blob back.
const NEVER: i64 = i64::MAX;

#[derive(Debug, Default)]
struct Model {
    now: i64,
    cursor: Option<i64>,
    blobs: BTreeMap<String, Known>,
    /// When each delivered event was last seen.
    events: BTreeMap<u8, i64>,
}

impl Model {
    fn count(&self, state: BlobState) -> u64 {
        let blobs = self.blobs.values().filter(|blob| blob.state == state);
        blobs.count() as u64
    }

    /// Up to here everything was listed and is delivered or named as lost.
    fn low_watermark(&self) -> Option<i64> {
        let pending = self
            .blobs
            .values()
            .filter(|blob| blob.state == BlobState::Pending);
        let oldest = pending.map(|blob| blob.created).min();
        self.cursor
            .map(|cursor| oldest.map_or(cursor, |oldest| oldest.min(cursor)))
    }

    fn record(&mut self, listed: &[NewBlob], created: &BTreeMap<String, i64>) -> Recorded {
        let mut recorded = Recorded::default();
        for blob in listed {
            let address = blob.uri.clone().unwrap();
            let Some(known) = self.blobs.get_mut(&blob.content_id) else {
                recorded.new += 1;
                let new = Known {
                    address,
                    created: created[&blob.content_id],
                    state: BlobState::Pending,
                    next_attempt: i64::MIN,
                };
                self.blobs.insert(blob.content_id.clone(), new);
                continue;
            };
            if known.is_open() && known.address != address {
                recorded.moved += 1;
                known.address = address;
                known.state = BlobState::Pending;
                known.next_attempt = i64::MIN;
            }
        }
        recorded
    }

    /// A blob that may still be delivered.
    fn open(&mut self, id: &str) -> Option<&mut Known> {
        self.blobs.get_mut(id).filter(|blob| blob.is_open())
    }

    fn evict(&mut self) {
        let now = self.now;
        self.events.retain(|_, seen| *seen >= now - 14 * 24);
        self.blobs.retain(|_, blob| match blob.state {
            BlobState::Pending => true,
            BlobState::Done => blob.created >= now - 9 * 24,
            BlobState::Expired | BlobState::Quarantined => blob.created >= now - 90 * 24,
        });
    }
}

fn event(number: u8) -> EventKey {
    EventKey::new(&format!("event {number}"), None).unwrap()
}

async fn run(actions: Vec<Action>) -> Result<(), TestCaseError> {
    let mut fixture = Fixture::new().await;
    let mut model = Model::default();
    let ids: BTreeMap<String, i64> = (0..12_i64)
        .map(|blob| (format!("blob {blob}"), blob * 20))
        .collect();
    for action in actions {
        let (feed, tenant, now) = (fixture.row.feed, fixture.row.tenant, at(model.now));
        match action {
            Action::Record(listed, hours) => {
                let cursor = model.cursor.unwrap_or(0) + hours;
                model.cursor = Some(cursor);
                let mut listed: Vec<_> = listed
                    .into_iter()
                    .map(|(number, address)| {
                        let id = format!("blob {number}");
                        let mut new = blob(&id, ids[&id]);
                        new.uri = Some(format!("https://manage.office.com/{number}/{address}"));
                        new
                    })
                    .collect();
                listed.dedup_by(|a, b| a.content_id == b.content_id);
                let expect = model.record(&listed, &ids);
                let progress = Progress {
                    cursor: at(cursor),
                    ..progress(0)
                };
                let recorded = fixture
                    .ledger
                    .record(feed, progress, listed, None, now)
                    .await
                    .unwrap();
                // What is late is the counters' business.
                prop_assert_eq!((recorded.new, recorded.moved), (expect.new, expect.moved));
                prop_assert!(recorded.refused.is_empty());
            }
            Action::Retry(number, hours) => {
                let id = format!("blob {number}");
                let until = model.now + hours;
                if let Some(known) = model.open(&id) {
                    known.next_attempt = until;
                }
                let retry = Retry {
                    not_before: at(until),
                    error: "oops".to_owned(),
                    unusable_at: None,
                };
                fixture.ledger.retry(feed, id, retry).await.unwrap();
            }
            Action::Delivered(number, events) => {
                let id = format!("blob {number}");
                // Nothing else is fetched.
                let Some(known) = model.open(&id) else { continue };
                known.state = BlobState::Done;
                let keys: Vec<_> = events.iter().map(|number| event(*number)).collect();
                let count = events.len() as u64;
                for number in events {
                    model.events.insert(number, model.now);
                }
                fixture
                    .ledger
                    .delivered(feed, tenant, id, sent(keys, count), now)
                    .await
                    .unwrap();
            }
            Action::Lost(number, expired) => {
                let id = format!("blob {number}");
                if let Some(known) = model.open(&id) {
                    known.state = if expired {
                        BlobState::Expired
                    } else {
                        BlobState::Quarantined
                    };
                    known.next_attempt = NEVER;
                }
                fixture
                    .ledger
                    .lost(feed, id, expired, "oops".to_owned(), now)
                    .await
                    .unwrap();
            }
            Action::Evict => {
                model.evict();
                fixture
                    .ledger
                    .evict(now, chrono::TimeDelta::days(14))
                    .await
                    .unwrap();
            }
            Action::Crash => {
                fixture = fixture.crash().await;
                for blob in model.blobs.values_mut() {
                    // Whoever starts again wants to know at once.
                    blob.next_attempt = i64::MIN;
                }
            }
            Action::Pass(hours) => model.now += hours,
        }
        check(&fixture, &model).await?;
    }
    Ok(())
}

async fn check(fixture: &Fixture, model: &Model) -> Result<(), TestCaseError> {
    let (row, now) = (fixture.row, at(model.now));
    let record = fixture.read();
    prop_assert_eq!(record.cursor, model.cursor.map(at));
    prop_assert_eq!(record.pending, model.count(BlobState::Pending));
    prop_assert_eq!(record.done, model.count(BlobState::Done));
    prop_assert_eq!(record.expired, model.count(BlobState::Expired));
    prop_assert_eq!(record.quarantined, model.count(BlobState::Quarantined));
    let low = record
        .cursor
        .map(|cursor| record.oldest_pending.map_or(cursor, |oldest| oldest.min(cursor)));
    prop_assert_eq!(low, model.low_watermark().map(at));

    let due = fixture.ledger.due(row.feed, now, 100).await.unwrap();
    let (now_due, later): (Vec<_>, Vec<_>) = model
        .blobs
        .iter()
        .filter(|(_, blob)| blob.is_open())
        .partition(|(_, blob)| blob.next_attempt <= model.now);
    let found: BTreeMap<_, _> = due
        .blobs
        .iter()
        .map(|blob| (&blob.content_id, &blob.uri))
        .collect();
    let expect: BTreeMap<_, _> = now_due
        .into_iter()
        .map(|(id, blob)| (id, &blob.address))
        .collect();
    prop_assert_eq!(found, expect);
    let next = |state| {
        let waiting = later
            .iter()
            .filter(|(_, blob)| blob.state == state && blob.next_attempt < NEVER);
        waiting.map(|(_, blob)| at(blob.next_attempt)).min()
    };
    prop_assert_eq!(due.next, next(BlobState::Pending));
    prop_assert_eq!(due.next_quarantined, next(BlobState::Quarantined));

    let known = fixture
        .ledger
        .known(row.tenant, (0..20).map(event).collect())
        .await
        .unwrap();
    let expect: Vec<_> = (0..20).map(|number| model.events.contains_key(&number)).collect();
    prop_assert_eq!(known, expect);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No blob is forgotten while it waits, nothing done comes back, and what was delivered is known.
    #[test]
    fn behaves_like_the_model(actions in proptest::collection::vec(action(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(actions))?;
    }
}
