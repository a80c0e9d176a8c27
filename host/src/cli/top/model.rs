//! What the view shows, made of two scrapes. Pure: no clock, no terminal.
//!
//! Rates are the difference of two counters. A process that was started again begins at 0, so there is no rate between a
//! scrape before and one after: nothing is shown rather than something negative or much too large.

mod feeds;
#[cfg(test)]
pub(super) mod tests;

use serde::Serialize;

pub(super) use self::feeds::{FeedRow, FeedState};
use super::scrape::{AlarmAnswer, Scrape, TenantAnswer};

/// See the module. As JSON, it is what `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Model {
    pub(super) version: String,
    /// `ok` or `degraded`.
    pub(super) status: String,
    /// Nothing has told the pipeline to stop.
    pub(super) ready: bool,
    pub(super) uptime_seconds: Option<f64>,
    /// Between the scrapes that rates are of; nothing if there are no rates.
    pub(super) interval_seconds: Option<f64>,
    pub(super) totals: Totals,
    pub(super) alarms: Vec<AlarmAnswer>,
    /// Those that need somebody first.
    pub(super) feeds: Vec<FeedRow>,
    /// Sources, transforms, sinks.
    pub(super) components: Vec<ComponentRow>,
    pub(super) tenants: Vec<TenantRow>,
    pub(super) wasm: Vec<WasmRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Totals {
    /// What sources gave to the pipeline.
    pub(super) events_in_per_second: Option<f64>,
    /// What sinks took in.
    pub(super) events_out_per_second: Option<f64>,
    /// Bytes of blobs, after decompression.
    pub(super) bytes_in_per_second: Option<f64>,
    pub(super) events_in_flight: f64,
    pub(super) pending_blobs: u64,
    /// Of the feed that is furthest behind.
    pub(super) worst_lag_seconds: Option<f64>,
    pub(super) lost: u64,
    pub(super) dead_letters: f64,
    pub(super) dead_letter_bytes: Option<f64>,
    pub(super) dead_letter_max_bytes: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ComponentRow {
    pub(super) id: String,
    pub(super) kind: String,
    #[serde(rename = "type")]
    pub(super) component_type: String,
    /// Nothing for sources.
    pub(super) in_per_second: Option<f64>,
    /// Nothing for sinks.
    pub(super) out_per_second: Option<f64>,
    /// Of a source, what is on its way to its end; of others, what waits before them.
    pub(super) in_flight: Option<f64>,
    /// Of a transform, events that it gave up on; of a source, events that must be sent again.
    pub(super) errors: Option<f64>,
    /// Of a source, events that were dropped on purpose on their way.
    pub(super) discarded: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TenantRow {
    pub(super) source: String,
    pub(super) tenant: String,
    pub(super) name: Option<String>,
    pub(super) requests_per_minute: Option<f64>,
    pub(super) max_requests_per_minute: u32,
    /// Requests that were not answered with success, since the start.
    pub(super) failed_requests: u64,
    /// How long requests were held back because the service had throttled the tenant, since the start.
    pub(super) throttled_seconds: f64,
    /// Negative if it has expired.
    pub(super) token_ends_in_seconds: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct WasmRow {
    pub(super) id: String,
    pub(super) digest: String,
    pub(super) batches_per_second: Option<f64>,
    /// Events that it gave up on, since the start.
    pub(super) failures: Option<f64>,
    pub(super) swapped: u64,
    pub(super) refused: u64,
    pub(super) refusal: Option<String>,
    /// Of a shadow run: events compared, different, failed.
    pub(super) shadow: Option<(u64, u64, u64)>,
}

/// Two scrapes of the same process.
#[derive(Debug, Clone, Copy)]
struct Between<'a> {
    before: &'a Scrape,
    seconds: f64,
}

impl<'a> Between<'a> {
    fn new(before: &'a Scrape, now: &Scrape) -> Option<Self> {
        let seconds = now.at.checked_sub(before.at)?.as_secs_f64();
        let same = started(before) == started(now);
        (same && seconds > 0.0).then_some(Self { before, seconds })
    }

    /// Per second.
    fn rate(self, before: f64, now: f64) -> Option<f64> {
        (now >= before).then(|| (now - before) / self.seconds)
    }
}

const STARTED: &str = "o365_start_timestamp_seconds";

fn started(scrape: &Scrape) -> Option<f64> {
    scrape.samples.value(STARTED, &[])
}

impl Model {
    /// Of a scrape, and of one before that if there is one.
    pub(super) fn new(before: Option<&Scrape>, now: &Scrape) -> Self {
        let between = before.and_then(|before| Between::new(before, now));
        let components = components(between, now);
        let mut feeds = feeds::rows(between, now);
        feeds.sort_by(FeedRow::urgency);
        let sum = |rows: &mut dyn Iterator<Item = Option<f64>>| rows.flatten().reduce(|a, b| a + b);
        let of = |kind: &'static str| components.iter().filter(move |row| row.kind == kind);
        let totals = Totals {
            events_in_per_second: sum(&mut of("source").map(|row| row.out_per_second)),
            events_out_per_second: sum(&mut of("sink").map(|row| row.in_per_second)),
            bytes_in_per_second: sum(&mut feeds.iter().map(|feed| feed.bytes_per_second)),
            events_in_flight: sum(&mut of("source").map(|row| row.in_flight)).unwrap_or_default(),
            pending_blobs: feeds.iter().map(|feed| feed.pending_blobs).sum(),
            worst_lag_seconds: feeds.iter().filter_map(|feed| feed.lag_seconds).reduce(f64::max),
            lost: feeds.iter().map(|feed| feed.lost).sum(),
            dead_letters: now
                .samples
                .value("o365_dead_letters_total", &[])
                .unwrap_or_default(),
            dead_letter_bytes: now.samples.value("o365_dead_letter_bytes", &[]),
            dead_letter_max_bytes: now.samples.value("o365_dead_letter_max_bytes", &[]),
        };
        let build = now.samples.of("o365_build_info").first();
        Self {
            version: build.map_or("", |sample| sample.label("version")).to_owned(),
            status: now.health.status.clone(),
            ready: now.ready,
            uptime_seconds: started(now)
                .map(|started| (now.clock.timestamp_millis() as f64 / 1_000.0 - started).max(0.0)),
            interval_seconds: between.map(|between| between.seconds),
            totals,
            alarms: now.health.alarms.clone(),
            feeds,
            components,
            tenants: tenants(between, now),
            wasm: wasm(between, now),
        }
    }
}

const RECEIVED: &str = "o365_component_received_events_total";
const SENT: &str = "o365_component_sent_events_total";
const KINDS: [&str; 3] = ["source", "transform", "sink"];

fn components(between: Option<Between<'_>>, now: &Scrape) -> Vec<ComponentRow> {
    let samples = &now.samples;
    let mut rows: Vec<_> = KINDS
        .iter()
        .flat_map(|kind| {
            let name = if *kind == "sink" { RECEIVED } else { SENT };
            let all = samples.of(name).iter();
            all.filter(move |sample| sample.label("component_kind") == *kind)
        })
        .map(|sample| ComponentRow {
            id: sample.label("component_id").to_owned(),
            kind: sample.label("component_kind").to_owned(),
            component_type: sample.label("component_type").to_owned(),
            in_per_second: None,
            out_per_second: None,
            in_flight: None,
            errors: None,
            discarded: None,
        })
        .collect();
    for row in &mut rows {
        let id = [("component_id", row.id.as_str())];
        let rate = |name: &str| {
            let now = samples.value(name, &id)?;
            between.and_then(|between| between.rate(between.before.samples.value(name, &id)?, now))
        };
        let ended = |status| {
            let labels = [("component_id", row.id.as_str()), ("status", status)];
            samples.value("o365_source_events_ended_total", &labels)
        };
        let of_source = row.kind == "source";
        let (in_flight, errors, discarded) = if of_source {
            let in_flight = samples.value("o365_source_events_in_flight", &id);
            (in_flight, ended("errored"), ended("dropped"))
        } else {
            let failed = samples.value("o365_component_failed_events_total", &id);
            (samples.value("o365_buffer_events", &id), failed, None)
        };
        (row.in_per_second, row.out_per_second) = (rate(RECEIVED), rate(SENT));
        (row.in_flight, row.errors, row.discarded) = (in_flight, errors, discarded);
    }
    rows
}

fn tenants(between: Option<Between<'_>>, now: &Scrape) -> Vec<TenantRow> {
    let requests = |tenant: &TenantAnswer| tenant.requests.iter().map(|one| one.count).sum::<u64>();
    let mut rows = Vec::new();
    for source in &now.sources {
        let names = feeds::names(source);
        let before = between.and_then(|between| {
            let source = between.before.sources.iter().find(|one| one.id == source.id)?;
            Some(feeds::by(&source.tenants, |one| one.tenant.as_str()))
        });
        for tenant in &source.tenants {
            let before = before
                .as_ref()
                .and_then(|before| before.get(tenant.tenant.as_str()));
            let rate = |between: Between<'_>| {
                let before = requests(before?);
                between.rate(before as f64, requests(tenant) as f64)
            };
            rows.push(TenantRow {
                source: source.id.clone(),
                name: names.get(tenant.tenant.as_str()).map(|name| (*name).to_owned()),
                tenant: tenant.tenant.clone(),
                requests_per_minute: between.and_then(rate).map(|rate| rate * 60.0),
                max_requests_per_minute: tenant.max_requests_per_minute,
                failed_requests: {
                    let failed = tenant.requests.iter().filter(|one| one.outcome != "ok");
                    failed.map(|one| one.count).sum()
                },
                throttled_seconds: tenant.throttled.as_secs_f64(),
                token_ends_in_seconds: tenant
                    .token_expires
                    .map(|ends| (ends - now.clock).as_seconds_f64()),
            });
        }
    }
    rows
}

fn wasm(between: Option<Between<'_>>, now: &Scrape) -> Vec<WasmRow> {
    const BATCHES: &str = "o365_component_received_batches_total";
    let rows = now.transforms.iter().map(|transform| {
        let id = [("component_id", transform.id.as_str())];
        let batches = |between: Between<'_>| {
            let before = between.before.samples.value(BATCHES, &id)?;
            between.rate(before, now.samples.value(BATCHES, &id)?)
        };
        WasmRow {
            id: transform.id.clone(),
            digest: transform.digest.clone(),
            batches_per_second: between.and_then(batches),
            failures: now.samples.value("o365_component_failed_events_total", &id),
            swapped: transform.swapped,
            refused: transform.refused,
            refusal: transform.refusal.clone(),
            shadow: transform
                .shadow
                .as_ref()
                .map(|shadow| (shadow.compared, shadow.different, shadow.failed)),
        }
    });
    rows.collect()
}
