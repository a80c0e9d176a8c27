//! `state show`: a line for each feed, and a last one that answers "is anything missing?".

use std::{io::Write, time::Duration};

use anyhow::Context;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use o365_core::Clock;
use o365_source::ledger::{BlobRecord, BlobState, FeedRecord, LedgerReader, Verdict};
use serde::Serialize;

use super::Which;
use crate::cli::{EXIT_FAILED, EXIT_OK, Failed};

/// Blobs of a state that are shown.
const BLOBS: u32 = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,

    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,

    /// Also the blobs that wait, are quarantined or have expired.
    #[arg(long)]
    blobs: bool,

    /// For monitoring: exit with 1 if anything is missing.
    #[arg(long)]
    check: bool,

    /// For monitoring: exit with 1 if less is complete than everything up to this time ago, such as 12h. Choose more
    /// than the look-back.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_lag: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    o365_core::duration::parse(text).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Document<'a> {
    complete: bool,
    #[serde(flatten)]
    verdict: &'a Verdict,
    feeds: &'a [FeedRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs: Option<&'a [BlobRecord]>,
}

pub(super) fn show(args: &Args) -> Result<u8, Failed> {
    let path = args.which.path()?;
    Ok(look(args, &path)?)
}

fn look(args: &Args, path: &std::path::Path) -> anyhow::Result<u8> {
    let now = o365_core::SystemClock.now();
    let filter = args.which.filter();
    let reader = LedgerReader::open(path)?;
    reader.snapshot()?;
    let feeds = reader.feeds_of(&filter, now)?;
    anyhow::ensure!(!feeds.is_empty(), "{}: no feed fits the filter", path.display());
    let verdict = Verdict::of(&reader, &filter, &feeds)?;
    let mut blobs = Vec::new();
    if args.blobs {
        let states = [BlobState::Pending, BlobState::Quarantined, BlobState::Expired];
        reader.each_blob(&filter, &states, BLOBS, |blob| {
            blobs.push(blob);
            anyhow::Ok(())
        })?;
    }
    let text = if args.json {
        serde_json::to_string_pretty(&Document {
            complete: verdict.missing.is_empty() && verdict.complete_up_to.is_some(),
            verdict: &verdict,
            feeds: &feeds,
            blobs: args.blobs.then_some(blobs.as_slice()),
        })?
    } else {
        people(&feeds, &blobs, &verdict)
    };
    writeln!(std::io::stdout().lock(), "{text}").context("writing to standard output failed")?;
    let behind = args.max_lag.is_some_and(|lag| {
        let least = TimeDelta::from_std(lag).map_or(DateTime::<Utc>::MIN_UTC, |lag| now - lag);
        verdict.complete_up_to.is_none_or(|time| time < least)
    });
    let missing = args.check && (!verdict.missing.is_empty() || verdict.complete_up_to.is_none());
    Ok(if behind || missing { EXIT_FAILED } else { EXIT_OK })
}

fn people(feeds: &[FeedRecord], blobs: &[BlobRecord], verdict: &Verdict) -> String {
    let head = [
        "TENANT",
        "CONTENT TYPE",
        "LISTED UP TO",
        "COMPLETE UP TO",
        "LAG MS",
        "LAG OURS",
        "PENDING",
        "QUARANTINED",
        "EXPIRED",
        "GAPS",
        "DUPLICATES",
        "LATE",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(feeds.iter().map(row));
    let mut lines = vec![table(&rows)];
    for feed in feeds {
        if let Some(error) = &feed.last_error {
            lines.push(format!("{}: {error}", feed.name()));
        }
    }
    for blob in blobs {
        let error = blob.last_error.as_ref().map(|error| format!(": {error}"));
        lines.push(format!(
            "{} {} of {}, available {}, {} attempt(s){}",
            blob.state.as_str(),
            blob.content_id,
            blob.feed_name(),
            stamp(Some(blob.created)),
            blob.attempts,
            error.unwrap_or_default()
        ));
    }
    lines.push(verdict.line());
    lines.join("\n")
}

fn row(feed: &FeedRecord) -> [String; 12] {
    let seconds = |median: Option<i64>| {
        let median = median.and_then(|seconds| u64::try_from(seconds).ok());
        median.map_or_else(
            || "-".to_owned(),
            |seconds| o365_core::duration::format(Duration::from_secs(seconds)),
        )
    };
    [
        feed.tenant_name.clone().unwrap_or_else(|| feed.tenant.clone()),
        feed.content_type.clone(),
        if feed.active {
            stamp(feed.cursor)
        } else {
            "not configured".to_owned()
        },
        stamp(feed.low_watermark),
        seconds(feed.lag.service_median_seconds),
        seconds(feed.lag.own_median_seconds),
        feed.pending.to_string(),
        feed.quarantined.to_string(),
        feed.expired.to_string(),
        feed.gaps.len().to_string(),
        feed.duplicates_dropped.to_string(),
        (feed.late_by_lookback + feed.late_by_sweep).to_string(),
    ]
}

fn stamp(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "never".to_owned(),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// Columns as wide as their widest cell.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
