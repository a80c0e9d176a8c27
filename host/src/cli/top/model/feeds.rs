//! One row for each feed: what the source counts, and what its ledger holds.

use std::{cmp::Ordering, collections::HashMap};

use chrono::TimeDelta;
use serde::Serialize;

use super::Between;
use crate::cli::top::scrape::{FeedAnswer, HeldAnswer, Scrape, SourceAnswer};

/// The service itself takes up to an hour, so a feed that is listed so far is up to date.
const BEHIND: TimeDelta = TimeDelta::hours(1);

/// How a feed is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli::top) enum FeedState {
    /// It cannot be listed.
    Failing,
    /// Something else needs a person.
    Alarm,
    /// It has not been listed yet.
    Starting,
    /// What is listed is more than an hour behind now.
    Behind,
    /// Blobs wait to be delivered.
    Working,
    /// Nothing waits.
    Idle,
}

impl FeedState {
    pub(in crate::cli::top) fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Alarm => "alarm",
            Self::Starting => "starting",
            Self::Behind => "behind",
            Self::Working => "working",
            Self::Idle => "idle",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli::top) struct FeedRow {
    pub(in crate::cli::top) source: String,
    pub(in crate::cli::top) tenant: String,
    pub(in crate::cli::top) tenant_name: Option<String>,
    pub(in crate::cli::top) content_type: String,
    pub(in crate::cli::top) state: FeedState,
    /// How far what has been listed is behind now.
    pub(in crate::cli::top) lag_seconds: Option<f64>,
    pub(in crate::cli::top) pending_blobs: u64,
    /// Blobs that have expired, blobs that are set aside, and spans that could not be listed, in the feed's life.
    pub(in crate::cli::top) lost: u64,
    pub(in crate::cli::top) events_per_second: Option<f64>,
    pub(in crate::cli::top) blobs_per_second: Option<f64>,
    pub(in crate::cli::top) bytes_per_second: Option<f64>,
    /// Since the start.
    pub(in crate::cli::top) duplicates: u64,
    /// Median, from available to listed: Microsoft's part.
    pub(in crate::cli::top) service_lag_seconds: Option<i64>,
    /// Median, from listed to delivered: our part.
    pub(in crate::cli::top) own_lag_seconds: Option<i64>,
    /// Why it fails, or needs a person.
    pub(in crate::cli::top) reason: Option<String>,
}

impl FeedRow {
    /// Those that need somebody first, then those furthest behind.
    pub(super) fn urgency(&self, other: &Self) -> Ordering {
        let lag = |row: &Self| row.lag_seconds.unwrap_or_default();
        (self.state.min(FeedState::Starting))
            .cmp(&other.state.min(FeedState::Starting))
            .then_with(|| other.pending_blobs.cmp(&self.pending_blobs))
            .then_with(|| lag(other).total_cmp(&lag(self)))
            .then_with(|| self.label().cmp(other.label()))
            .then_with(|| self.content_type.cmp(&other.content_type))
    }

    /// The tenant's name, or its id.
    pub(in crate::cli::top) fn label(&self) -> &str {
        self.tenant_name.as_deref().unwrap_or(&self.tenant)
    }
}

/// Things by a key, so that thousands of them are found quickly.
pub(super) fn by<'a, T, K: Eq + std::hash::Hash>(
    things: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> HashMap<K, &'a T> {
    things.iter().map(|thing| (key(thing), thing)).collect()
}

fn held_key(held: &HeldAnswer) -> (&str, &str) {
    (&held.tenant, &held.content_type)
}

fn feed_key(feed: &FeedAnswer) -> (&str, &str) {
    (&feed.tenant, &feed.content_type)
}

/// Names of tenants by their ids.
pub(super) fn names(source: &SourceAnswer) -> HashMap<&str, &str> {
    let feeds = source.ledger.feeds.iter();
    feeds
        .filter_map(|feed| Some((feed.tenant.as_str(), feed.tenant_name.as_deref()?)))
        .collect()
}

/// All feeds of all sources.
pub(super) fn rows(between: Option<Between<'_>>, now: &Scrape) -> Vec<FeedRow> {
    now.sources
        .iter()
        .flat_map(|source| of_source(between, now, source))
        .collect()
}

fn of_source(between: Option<Between<'_>>, now: &Scrape, source: &SourceAnswer) -> Vec<FeedRow> {
    let held = by(&source.ledger.feeds, held_key);
    let names = names(source);
    let before = between.and_then(|between| {
        let source = between.before.sources.iter().find(|one| one.id == source.id)?;
        Some(by(&source.feeds, feed_key))
    });
    let alarms: HashMap<_, _> = now
        .health
        .alarms
        .iter()
        .filter(|alarm| alarm.component_id == source.id)
        .filter_map(|alarm| {
            Some((
                (alarm.tenant.as_deref()?, alarm.content_type.as_deref()?),
                alarm.text.as_str(),
            ))
        })
        .collect();
    let nothing = HeldAnswer::default();
    let rows = source.feeds.iter().map(|feed| {
        let key = feed_key(feed);
        let held = held.get(&key).copied().unwrap_or(&nothing);
        let alarm = alarms.get(&key).copied();
        let before = before.as_ref().and_then(|before| before.get(&key).copied());
        let rate = |count: fn(&FeedAnswer) -> u64| between?.rate(count(before?) as f64, count(feed) as f64);
        let state = match (&feed.failure, alarm, feed.cursor) {
            (Some(_), ..) => FeedState::Failing,
            (None, Some(_), _) => FeedState::Alarm,
            (None, None, None) => FeedState::Starting,
            (None, None, Some(cursor)) if now.clock - cursor > BEHIND => FeedState::Behind,
            (None, None, Some(_)) if held.pending > 0 => FeedState::Working,
            (None, None, Some(_)) => FeedState::Idle,
        };
        FeedRow {
            source: source.id.clone(),
            tenant: feed.tenant.clone(),
            tenant_name: names.get(feed.tenant.as_str()).map(|name| (*name).to_owned()),
            content_type: feed.content_type.clone(),
            state,
            lag_seconds: feed
                .cursor
                .map(|cursor| (now.clock - cursor).as_seconds_f64().max(0.0)),
            pending_blobs: held.pending,
            lost: held.blobs_expired + held.quarantined + held.gaps.len() as u64,
            events_per_second: rate(|feed| feed.events_sent),
            blobs_per_second: rate(|feed| feed.blobs_delivered),
            bytes_per_second: rate(|feed| feed.bytes_received),
            duplicates: feed.duplicates_dropped,
            service_lag_seconds: held.lag.service_median_seconds,
            own_lag_seconds: held.lag.own_median_seconds,
            reason: match &feed.failure {
                Some(failure) if feed.failures_in_a_row > 1 => {
                    Some(format!("{} times: {failure}", feed.failures_in_a_row))
                }
                Some(failure) => Some(failure.clone()),
                None => alarm.map(str::to_owned),
            },
        }
    });
    rows.collect()
}
