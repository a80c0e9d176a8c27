//! When a person has to look: conditions that cost events if nobody acts, judged from what the ledger holds and what
//! was counted. Pure: time and numbers are arguments.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    ledger::FeedRecord,
    stats::{FeedSnapshot, TenantSnapshot},
};

/// Reference §15.4.
const EXPIRES_SOON: TimeDelta = TimeDelta::hours(24);
/// A first run begins with blobs that expire soon, and has them within minutes.
const EXPIRES_PATIENCE: Duration = Duration::from_mins(15);
const FAILURES: u32 = 5;
const FAILING: TimeDelta = TimeDelta::minutes(15);
const STALLED: Duration = Duration::from_mins(15);
const CERTIFICATE: TimeDelta = TimeDelta::days(30);

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// A blob that waits will be gone within 24 hours.
    BlobExpires,
    /// A feed could not be listed five times in a row, or for a quarter of an hour.
    FeedFails,
    /// Blobs wait, and for a quarter of an hour none was delivered: the sink is down, or blobs cannot be fetched.
    NothingDelivered,
    /// Blobs make no sense and are set aside.
    Quarantined,
    /// The certificate ends within 30 days.
    CertificateExpires,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BlobExpires,
        Self::FeedFails,
        Self::NothingDelivered,
        Self::Quarantined,
        Self::CertificateExpires,
    ];

    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobExpires => "blob_expires",
            Self::FeedFails => "feed_fails",
            Self::NothingDelivered => "nothing_delivered",
            Self::Quarantined => "quarantined",
            Self::CertificateExpires => "certificate_expires",
        }
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::BlobExpires => "see why it waits: `o365-host state show --blobs`",
            Self::FeedFails => "run `o365-host check`",
            Self::NothingDelivered => "look at the sinks, and at `o365-host state show --blobs`",
            Self::Quarantined => {
                "look at the files in the quarantine folder; `o365-host state retry` tries them at once"
            }
            Self::CertificateExpires => "upload a new certificate to the app registration and configure it",
        }
    }
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Alarm {
    /// What is wrong.
    pub kind: AlarmKind,
    /// Directory id of the tenant; nothing if it is about all of them.
    pub tenant: Option<String>,
    /// Content type, if it is about one.
    pub content_type: Option<String>,
    /// What is wrong, in words. No secrets.
    pub text: String,
}

/// What an alarm is known by, however its text changes.
pub(crate) type AlarmKey = (AlarmKind, Option<String>, Option<String>);

impl Alarm {
    pub(crate) fn key(&self) -> AlarmKey {
        (self.kind, self.tenant.clone(), self.content_type.clone())
    }

    fn of_feed(kind: AlarmKind, feed: &FeedRecord, text: String) -> Self {
        Self {
            kind,
            tenant: Some(feed.tenant.clone()),
            content_type: Some(feed.content_type.clone()),
            text,
        }
    }
}

/// Remembers what it takes to judge: what was delivered, and since when a blob has been about to expire.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    delivered: BTreeMap<(String, String), (u64, Instant)>,
    expiring: BTreeMap<(String, String), Instant>,
}

impl Judge {
    /// All alarms at this moment.
    pub(crate) fn judge(
        &mut self,
        records: &[FeedRecord],
        feeds: &[FeedSnapshot],
        tenants: &[TenantSnapshot],
        now: DateTime<Utc>,
        instant: Instant,
    ) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for record in records {
            alarms.extend(self.expires(record, now, instant));
            alarms.extend(self.nothing_delivered(record, instant));
            if record.quarantined > 0 {
                let text = format!("{} blob(s) make no sense and are set aside", record.quarantined);
                alarms.push(Alarm::of_feed(AlarmKind::Quarantined, record, text));
            }
        }
        alarms.extend(feeds.iter().filter_map(|feed| fails(feed, now)));
        alarms.extend(certificate(tenants, now));
        let known: BTreeSet<_> = records.iter().map(feed_key).collect();
        self.delivered.retain(|key, _| known.contains(key));
        self.expiring.retain(|key, _| known.contains(key));
        alarms.sort();
        alarms
    }

    fn expires(&mut self, record: &FeedRecord, now: DateTime<Utc>, instant: Instant) -> Option<Alarm> {
        let key = feed_key(record);
        let Some(expiration) = record
            .earliest_expiration
            .filter(|expiration| *expiration - now <= EXPIRES_SOON)
        else {
            self.expiring.remove(&key);
            return None;
        };
        let since = *self.expiring.entry(key).or_insert(instant);
        (instant - since >= EXPIRES_PATIENCE).then(|| {
            let text = format!(
                "a blob that waits expires at {}",
                expiration.format("%Y-%m-%dT%H:%M:%SZ")
            );
            Alarm::of_feed(AlarmKind::BlobExpires, record, text)
        })
    }

    fn nothing_delivered(&mut self, record: &FeedRecord, instant: Instant) -> Option<Alarm> {
        let last = self
            .delivered
            .entry(feed_key(record))
            .or_insert((record.blobs_delivered, instant));
        if record.pending == 0 || last.0 != record.blobs_delivered {
            *last = (record.blobs_delivered, instant);
        }
        (instant - last.1 >= STALLED).then(|| {
            let minutes = (instant - last.1).as_secs() / 60;
            let text = format!(
                "{} blob(s) wait, and for {minutes} minutes none was delivered",
                record.pending
            );
            Alarm::of_feed(AlarmKind::NothingDelivered, record, text)
        })
    }
}

fn feed_key(record: &FeedRecord) -> (String, String) {
    (record.tenant.clone(), record.content_type.clone())
}

fn fails(feed: &FeedSnapshot, now: DateTime<Utc>) -> Option<Alarm> {
    let (reason, since) = (feed.failure.as_ref()?, feed.failing_since?);
    (feed.failures_in_a_row >= FAILURES || now - since >= FAILING).then(|| Alarm {
        kind: AlarmKind::FeedFails,
        tenant: Some(feed.tenant.clone()),
        content_type: Some(feed.content_type.to_owned()),
        text: format!(
            "listing has failed {} time(s) in a row: {reason}",
            feed.failures_in_a_row
        ),
    })
}

/// All tenants have the same one.
fn certificate(tenants: &[TenantSnapshot], now: DateTime<Utc>) -> Option<Alarm> {
    let end = tenants
        .iter()
        .filter_map(|tenant| tenant.certificate_expires)
        .min()?;
    (end - now < CERTIFICATE).then(|| Alarm {
        kind: AlarmKind::CertificateExpires,
        tenant: None,
        content_type: None,
        text: format!(
            "the certificate ends in {} day(s), at {}",
            (end - now).num_days(),
            end.format("%Y-%m-%dT%H:%M:%SZ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{stats::Stats, types::FeedKey};

    const TENANT: &str = "11111111-1111-1111-1111-111111111111";

    fn now() -> DateTime<Utc> {
        "2026-01-15T12:00:00Z".parse().unwrap()
    }

    /// A feed as a ledger gives it that knows nothing yet.
    fn record() -> FeedRecord {
        FeedRecord::empty(TENANT, "Audit.General")
    }

    fn kinds(alarms: &[Alarm]) -> Vec<AlarmKind> {
        alarms.iter().map(|alarm| alarm.kind).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_blob_that_waits_and_expires_is_an_alarm_after_a_while() {
        let mut judge = Judge::default();
        let mut feed = record();
        feed.pending = 1;
        feed.earliest_expiration = Some(now() + TimeDelta::hours(25));
        let mut look = |feed: &FeedRecord| {
            let alarms = judge.judge(std::slice::from_ref(feed), &[], &[], now(), Instant::now());
            kinds(&alarms).contains(&AlarmKind::BlobExpires)
        };
        assert!(!look(&feed));
        feed.earliest_expiration = Some(now() + TimeDelta::hours(23));
        assert!(!look(&feed), "it was only just found");
        tokio::time::advance(EXPIRES_PATIENCE).await;
        assert!(look(&feed));
        feed.earliest_expiration = None;
        assert!(!look(&feed));
        feed.earliest_expiration = Some(now());
        assert!(!look(&feed), "another blob has its own time");
    }

    #[tokio::test(start_paused = true)]
    async fn blobs_that_wait_without_any_delivery_are_an_alarm() {
        let mut judge = Judge::default();
        let mut feed = record();
        let mut look = |feed: &FeedRecord| {
            let alarms = judge.judge(std::slice::from_ref(feed), &[], &[], now(), Instant::now());
            kinds(&alarms)
        };
        assert!(look(&feed).is_empty());
        tokio::time::advance(STALLED).await;
        assert!(look(&feed).is_empty(), "nothing waits");
        feed.pending = 3;
        tokio::time::advance(STALLED / 2).await;
        assert!(look(&feed).is_empty());
        tokio::time::advance(STALLED / 2).await;
        assert_eq!(look(&feed), [AlarmKind::NothingDelivered]);
        feed.blobs_delivered = 1;
        assert!(look(&feed).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_set_aside_is_an_alarm_at_once() {
        let mut feed = record();
        feed.quarantined = 1;
        let alarms = Judge::default().judge(&[feed], &[], &[], now(), Instant::now());
        assert_eq!(kinds(&alarms), [AlarmKind::Quarantined]);
        assert_eq!(alarms[0].tenant.as_deref(), Some(TENANT));
        assert_eq!(alarms[0].content_type.as_deref(), Some("Audit.General"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_fails_is_an_alarm_by_number_or_by_time() {
        let stats = Stats::default();
        let feed = stats.feed(&FeedKey {
            tenant: TENANT.parse().unwrap(),
            content_type: crate::ContentType::General,
        });
        let look =
            |now| kinds(&Judge::default().judge(&[], &stats.feeds(), &stats.tenants(), now, Instant::now()));
        feed.listing_failed("no".to_owned(), 4, now());
        assert!(look(now()).is_empty());
        assert_eq!(look(now() + FAILING), [AlarmKind::FeedFails]);
        feed.listing_failed("no".to_owned(), 5, now());
        assert_eq!(look(now()), [AlarmKind::FeedFails]);
        feed.listing_works();
        assert!(look(now() + FAILING).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_certificate_is_one_alarm() {
        let stats = Stats::default();
        for tenant in [TENANT, "22222222-2222-2222-2222-222222222222"] {
            let tenant = stats.tenant(&tenant.parse().unwrap());
            tenant.set_certificate_expires(now() + TimeDelta::days(30));
        }
        let look =
            |now| kinds(&Judge::default().judge(&[], &stats.feeds(), &stats.tenants(), now, Instant::now()));
        assert!(look(now()).is_empty());
        assert_eq!(look(now() + TimeDelta::days(1)), [AlarmKind::CertificateExpires]);
    }
}
