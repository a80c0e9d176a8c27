//! The answer to "is anything missing?".

use chrono::{DateTime, SecondsFormat, Utc};

use super::{BlobState, FeedFilter, FeedRecord, LedgerError, LedgerReader};

/// Blobs and gaps that are named; beyond, only their number is told.
const NAMED: u32 = 20;

/// What is complete and what is missing, over some feeds. Feeds that are no longer configured count for their losses
/// only.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Everything that became available before is delivered, but for what is missing. Nothing if a feed has never been
    /// listed, or if there is none.
    pub complete_up_to: Option<DateTime<Utc>>,
    /// Blobs that wait for their delivery: not missing, but not there yet.
    pub pending: u64,
    /// What cannot be had (now), one sentence each: feeds that were never listed or fail, spans that could not be
    /// listed in time, blobs that have expired or are set aside.
    pub missing: Vec<String>,
}

impl Verdict {
    /// Judges the feeds that the filter names.
    ///
    /// # Errors
    /// What reading the ledger fails with.
    pub fn of(reader: &LedgerReader, filter: &FeedFilter, feeds: &[FeedRecord]) -> Result<Self, LedgerError> {
        let mut missing = Vec::new();
        let mut watermarks = Vec::new();
        for feed in feeds {
            let error = feed.last_error.as_deref();
            if feed.active {
                watermarks.push(feed.low_watermark);
                match (feed.low_watermark, error) {
                    (None, None) => missing.push(format!("{} was never listed", feed.name())),
                    (None, Some(error)) => missing.push(format!("{} was never listed: {error}", feed.name())),
                    (Some(_), Some(error)) => {
                        missing.push(format!("{} cannot be listed: {error}", feed.name()));
                    }
                    (Some(_), None) => {}
                }
            }
        }
        for feed in feeds {
            let gaps = feed.gaps.iter().map(|gap| {
                let (from, to) = (stamp(gap.from), stamp(gap.to));
                format!("{} from {from} to {to}: {}", feed.name(), gap.reason)
            });
            missing.extend(gaps.take(NAMED as usize));
            let unnamed = feed.gaps.len().saturating_sub(NAMED as usize);
            if unnamed > 0 {
                missing.push(format!("{unnamed} more gaps of {}", feed.name()));
            }
        }
        let lost: u64 = feeds.iter().map(|feed| feed.expired + feed.quarantined).sum();
        let mut named = 0;
        reader.each_blob(
            filter,
            &[BlobState::Expired, BlobState::Quarantined],
            NAMED,
            |blob| {
                named += 1;
                missing.push(format!(
                    "{} blob {} of {}{}",
                    blob.state.as_str(),
                    blob.content_id,
                    blob.feed_name(),
                    blob.last_error
                        .map(|error| format!(": {error}"))
                        .unwrap_or_default()
                ));
                Ok::<_, LedgerError>(())
            },
        )?;
        if lost > named {
            missing.push(format!("{} more blobs", lost - named));
        }
        Ok(Self {
            complete_up_to: watermarks.into_iter().min().flatten(),
            pending: feeds.iter().map(|feed| feed.pending).sum(),
            missing,
        })
    }

    /// The verdict in one line.
    pub fn line(&self) -> String {
        let complete = self
            .complete_up_to
            .map(|time| format!("complete up to {}", stamp(time)));
        let waiting = match self.pending {
            0 => String::new(),
            1 => " (1 blob is waiting)".to_owned(),
            pending => format!(" ({pending} blobs are waiting)"),
        };
        let complete = match (complete, self.missing.is_empty()) {
            (Some(complete), true) => return format!("{complete}{waiting}"),
            (Some(complete), false) => format!("; everything else is {complete}{waiting}"),
            (None, true) => return "nothing is known: the ledger has no feed in use".to_owned(),
            (None, false) => waiting,
        };
        format!("missing: {}{complete}", self.missing.join("; "))
    }
}

/// A time for people, to the second.
fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
