//! How each Office 365 source is doing: by feed, by tenant, and what needs a person (reference §15.5).
//!
//! Counters begin with the process. What the ledger holds is as old as the source's last look into it, at most a minute
//! while it runs.

use std::fmt;

use o365_source::{AlarmKind, FeedSnapshot, LedgerView, TenantSnapshot, ledger::FeedRecord};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::family::{Family, Labels, Read, seconds, write_all};
use crate::roster::Roster;

const FEED: &[&str] = &["component_id", "tenant", "content_type"];
const TENANT: &[&str] = &["component_id", "tenant"];

const COUNTED: &[Read<FeedSnapshot>] = &[
    (
        Family::counter("feed_windows_listed", FEED, "Windows of time that were listed"),
        |feed| Some(feed.windows_listed as f64),
    ),
    (
        Family::counter(
            "feed_blobs_found",
            FEED,
            "Content blobs that were not known before",
        ),
        |feed| Some(feed.blobs_found as f64),
    ),
    (
        Family::counter(
            "feed_blobs_delivered",
            FEED,
            "Content blobs of which every event was delivered",
        ),
        |feed| Some(feed.blobs_delivered as f64),
    ),
    (
        Family::counter(
            "feed_blobs_retried",
            FEED,
            "Attempts at a content blob that failed and are repeated",
        ),
        |feed| Some(feed.blobs_retried as f64),
    ),
    (
        Family::counter(
            "feed_blobs_expired",
            FEED,
            "Content blobs that are lost because the service does not have them any more",
        ),
        |feed| Some(feed.blobs_expired as f64),
    ),
    (
        Family::counter(
            "feed_blobs_quarantined",
            FEED,
            "Content blobs that were set aside because they make no sense",
        ),
        |feed| Some(feed.blobs_quarantined as f64),
    ),
    (
        Family::counter("feed_events_sent", FEED, "Events handed to the pipeline"),
        |feed| Some(feed.events_sent as f64),
    ),
    (
        Family::counter(
            "feed_duplicates_dropped",
            FEED,
            "Events dropped because they had been delivered before",
        ),
        |feed| Some(feed.duplicates_dropped as f64),
    ),
    (
        Family::counter(
            "feed_received_bytes",
            FEED,
            "Bytes of content blobs, after decompression",
        ),
        |feed| Some(feed.bytes_received as f64),
    ),
    (
        Family::counter(
            "feed_gaps",
            FEED,
            "Spans of time that are lost because they could not be listed in time",
        ),
        |feed| Some(feed.gaps as f64),
    ),
    (
        Family::gauge(
            "feed_failures_in_a_row",
            FEED,
            "How often in a row listing has failed",
        ),
        |feed| Some(f64::from(feed.failures_in_a_row)),
    ),
];

const HELD: &[Read<FeedRecord>] = &[
    (
        Family::gauge(
            "feed_listed_up_to_timestamp_seconds",
            FEED,
            "Everything before has been listed, in seconds since 1970",
        ),
        |feed| feed.cursor.map(seconds),
    ),
    (
        Family::gauge(
            "feed_complete_up_to_timestamp_seconds",
            FEED,
            "Everything before is delivered or named as lost, in seconds since 1970; a look-back behind what is listed",
        ),
        |feed| feed.low_watermark.map(seconds),
    ),
    (
        Family::gauge(
            "feed_last_listed_timestamp_seconds",
            FEED,
            "When anything was last listed, in seconds since 1970",
        ),
        |feed| feed.last_listed.map(seconds),
    ),
    (
        Family::gauge(
            "feed_last_sweep_timestamp_seconds",
            FEED,
            "When the whole retention was last listed, in seconds since 1970",
        ),
        |feed| feed.last_sweep.map(seconds),
    ),
    (
        Family::gauge(
            "feed_pending_blobs",
            FEED,
            "Content blobs that wait to be delivered",
        ),
        |feed| Some(feed.pending as f64),
    ),
    (
        Family::gauge(
            "feed_oldest_pending_timestamp_seconds",
            FEED,
            "When the oldest of these became available, in seconds since 1970; absent if none waits",
        ),
        |feed| feed.oldest_pending.map(seconds),
    ),
    (
        Family::gauge(
            "feed_earliest_expiration_timestamp_seconds",
            FEED,
            "When the first of these expires, in seconds since 1970; absent if none waits",
        ),
        |feed| feed.earliest_expiration.map(seconds),
    ),
    (
        Family::gauge("feed_quarantined_blobs", FEED, "Content blobs that are set aside"),
        |feed| Some(feed.quarantined as f64),
    ),
    (
        Family::gauge(
            "feed_late_by_lookback_blobs",
            FEED,
            "Content blobs that the look-back found after their time had been listed, in the feed's life",
        ),
        |feed| Some(feed.late_by_lookback as f64),
    ),
    (
        Family::gauge(
            "feed_late_by_sweep_blobs",
            FEED,
            "Content blobs that only a sweep found, in the feed's life",
        ),
        |feed| Some(feed.late_by_sweep as f64),
    ),
    (
        Family::gauge(
            "feed_max_lateness_seconds",
            FEED,
            "How long after it became available the latest of these was found",
        ),
        |feed| Some(feed.max_lateness_seconds as f64),
    ),
    (
        Family::gauge(
            "feed_service_lag_seconds",
            FEED,
            "Microsoft's part of the delay, median of the last 1,000 blobs: from available to listed",
        ),
        |feed| feed.lag.service_median_seconds.map(|lag| lag as f64),
    ),
    (
        Family::gauge(
            "feed_own_lag_seconds",
            FEED,
            "Our part of the delay, median of the last 1,000 blobs: from listed to delivered",
        ),
        |feed| feed.lag.own_median_seconds.map(|lag| lag as f64),
    ),
];

const OF_TENANT: &[Read<TenantSnapshot>] = &[
    (
        Family::gauge(
            "tenant_max_requests_per_minute",
            TENANT,
            "Requests that may be sent in a minute (`api.max_requests_per_minute`)",
        ),
        |tenant| Some(f64::from(tenant.max_requests_per_minute)),
    ),
    (
        Family::counter(
            "tenant_throttled_seconds",
            TENANT,
            "How long requests were held back because the service had throttled the tenant",
        ),
        |tenant| Some(tenant.throttled.as_secs_f64()),
    ),
    (
        Family::gauge(
            "tenant_clock_skew_seconds",
            TENANT,
            "How far the service's clock is ahead of this machine's",
        ),
        |tenant| Some(tenant.clock_skew_millis as f64 / 1_000.0),
    ),
    (
        Family::gauge(
            "tenant_token_expiration_timestamp_seconds",
            TENANT,
            "When the access token ends, in seconds since 1970",
        ),
        |tenant| tenant.token_expires.map(seconds),
    ),
    (
        Family::gauge(
            "tenant_certificate_expiration_timestamp_seconds",
            TENANT,
            "When the certificate ends, in seconds since 1970; absent without a certificate",
        ),
        |tenant| tenant.certificate_expires.map(seconds),
    ),
];

const REQUESTS: Family = Family::counter(
    "tenant_requests",
    &["component_id", "tenant", "request", "outcome"],
    "Requests: `token`, `subscriptions`, `start`, `content`, `blob`; answered with `ok`, `throttled`, `refused` (4xx), `server_error` (5xx), or `transport_error`",
);
const INFO: Family = Family::gauge(
    "tenant_info",
    &["component_id", "tenant", "tenant_name"],
    "1, with the tenant's name in the configuration",
);
const ALARMS: Family = Family::gauge(
    "alarms",
    &["component_id", "alarm"],
    "Feeds, or sources, that need a person, by reason: `blob_expires`, `feed_fails`, `nothing_delivered`, `quarantined`, `certificate_expires`",
);

pub(super) fn families() -> Vec<Family> {
    let mut families = vec![ALARMS];
    families.extend(COUNTED.iter().map(|(family, _)| *family));
    families.extend(HELD.iter().map(|(family, _)| *family));
    families.push(REQUESTS);
    families.extend(OF_TENANT.iter().map(|(family, _)| *family));
    families.push(INFO);
    families
}

/// See the module.
#[derive(Debug)]
pub(super) struct Audits(pub(super) Roster);

/// A source at one moment.
struct Now<'a> {
    component: &'a str,
    feeds: Vec<FeedSnapshot>,
    tenants: Vec<TenantSnapshot>,
    ledger: std::sync::Arc<LedgerView>,
}

impl Collector for Audits {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let audits = self.0.audits();
        let sources: Vec<_> = audits
            .iter()
            .map(|(key, stats)| Now {
                component: key.as_str(),
                feeds: stats.feeds(),
                tenants: stats.tenants(),
                ledger: stats.ledger(),
            })
            .collect();
        ALARMS.write(encoder, sources.iter().flat_map(alarms))?;
        let counted: Vec<_> = sources
            .iter()
            .flat_map(|now| {
                now.feeds
                    .iter()
                    .map(|feed| (of_feed(now.component, &feed.tenant, feed.content_type), feed))
            })
            .collect();
        write_all(COUNTED, encoder, &counted)?;
        let held: Vec<_> = sources
            .iter()
            .flat_map(|now| {
                let feeds = now.ledger.feeds.iter();
                feeds.map(|feed| (of_feed(now.component, &feed.tenant, &feed.content_type), feed))
            })
            .collect();
        write_all(HELD, encoder, &held)?;
        REQUESTS.write(encoder, sources.iter().flat_map(requests))?;
        let tenants: Vec<_> = sources
            .iter()
            .flat_map(|now| {
                now.tenants
                    .iter()
                    .map(|tenant| (of_tenant(now.component, tenant), tenant))
            })
            .collect();
        write_all(OF_TENANT, encoder, &tenants)?;
        INFO.write(encoder, sources.iter().flat_map(names))
    }
}

fn of_feed<'a>(component: &'a str, tenant: &'a str, content_type: &'a str) -> Labels<'a> {
    vec![
        ("component_id", component),
        ("tenant", tenant),
        ("content_type", content_type),
    ]
}

fn of_tenant<'a>(component: &'a str, tenant: &'a TenantSnapshot) -> Labels<'a> {
    vec![("component_id", component), ("tenant", &tenant.tenant)]
}

/// All kinds, so that an alarm on one of them does not miss its beginning.
fn alarms<'a>(now: &'a Now<'_>) -> impl Iterator<Item = (Labels<'a>, f64)> {
    AlarmKind::ALL.into_iter().map(|kind| {
        let alarms = now.ledger.alarms.iter();
        let count = alarms.filter(|alarm| alarm.kind == kind).count();
        let labels = vec![("component_id", now.component), ("alarm", kind.as_str())];
        (labels, count as f64)
    })
}

fn requests<'a>(now: &'a Now<'_>) -> impl Iterator<Item = (Labels<'a>, f64)> {
    now.tenants.iter().flat_map(|tenant| {
        tenant.requests.iter().map(|count| {
            let mut labels = of_tenant(now.component, tenant);
            labels.extend([("request", count.request), ("outcome", count.outcome)]);
            (labels, count.count as f64)
        })
    })
}

/// Each tenant once, though it has several feeds.
fn names<'a>(now: &'a Now<'_>) -> impl Iterator<Item = (Labels<'a>, f64)> {
    let mut last = None;
    now.ledger.feeds.iter().filter_map(move |feed| {
        let name = feed.tenant_name.as_deref()?;
        if last.replace(&feed.tenant) == Some(&feed.tenant) {
            return None;
        }
        let labels = vec![
            ("component_id", now.component),
            ("tenant", feed.tenant.as_str()),
            ("tenant_name", name),
        ];
        Some((labels, 1.0))
    })
}
