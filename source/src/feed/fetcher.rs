//! The half of a feed that fetches: keeps a bounded number of blobs on their way, from the most urgent on, until each is
//! acknowledged.

use std::{
    collections::{HashSet, VecDeque},
    sync::atomic::Ordering,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use o365_core::SourceSender;
use tokio::time::{Instant, sleep_until};

use super::{
    End, Feed, SLOW, TRANSIENT,
    delivery::{Outcome, deliver},
};
use crate::{error::SourceError, ledger::PendingBlob, telemetry};

/// Blobs of one feed that are fetched, sent, or waiting for their acknowledgement.
const ACTIVE: usize = 32;
/// Blobs that are read from the ledger at a time.
const BATCH: usize = 64;
/// Failures in a row after which the feed pauses, instead of trying all of its blobs in vain.
const PATIENCE: u32 = 3;
/// When nothing is left but acknowledgements, the way out stays open this long for a blob that has to be sent again.
const LINGER: Duration = Duration::from_secs(5);
/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// See the module. After a stop, what has begun to be sent is sent to its end, and acknowledgements are waited for.
pub(super) async fn run(feed: &Feed, out: SourceSender) -> Result<End, SourceError> {
    let mut fetcher = Fetcher {
        feed,
        out: Some(out),
        queue: VecDeque::new(),
        on_their_way: HashSet::new(),
        phase: Phase::Ask,
        paused_until: None,
        failures: 0,
        refusals: 0,
        last_failure: None,
        failing: false,
        hopeless: false,
        fatal: None,
        quiet_since: Instant::now(),
    };
    // Boxed, so that a feed without work holds no room for a delivery: it is the largest state of all.
    let mut active = FuturesUnordered::new();
    let mut nudge = feed.shared.nudge.subscribe();
    loop {
        let stopping = feed.shared.stop.is_cancelled() || fetcher.fatal.is_some();
        if stopping {
            // What is being sent has a sender of its own.
            fetcher.out = None;
        } else {
            for blob in Box::pin(fetcher.next(active.len())).await? {
                if let Some(out) = &fetcher.out {
                    fetcher.on_their_way.insert(blob.content_id.clone());
                    active.push(deliver(feed, blob, out.clone()).boxed());
                }
            }
        }
        if active.is_empty() {
            if let Some(fatal) = fetcher.fatal {
                return Err(fatal);
            }
            if stopping {
                return Ok(End::Stopped);
            }
            if let Some(end) = Box::pin(fetcher.end()).await? {
                return Ok(end);
            }
        }
        let wake_at = fetcher.wake_at();
        tokio::select! {
            Some((blob, outcome)) = active.next(), if !active.is_empty() => fetcher.ended(&blob, outcome),
            () = feed.wake.notified() => fetcher.phase = Phase::Ask,
            Ok(()) = nudge.changed() => fetcher.phase = Phase::Ask,
            () = sleep_until(wake_at) => fetcher.woke(),
            () = feed.shared.stop.cancelled(), if !stopping => {}
        }
    }
}

/// What is known about work in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There may be some.
    Ask,
    /// There is none that is due now.
    Dry {
        /// When there will be.
        due: Option<Instant>,
        /// The ledger was asked after listing had ended: nothing is added any more.
        settled: bool,
    },
}

struct Fetcher<'a> {
    feed: &'a Feed,
    out: Option<SourceSender>,
    queue: VecDeque<PendingBlob>,
    on_their_way: HashSet<String>,
    phase: Phase,
    paused_until: Option<Instant>,
    failures: u32,
    /// Blobs in a row that were refused.
    refusals: u32,
    last_failure: Option<String>,
    /// The last blob that ended has to be tried again.
    failing: bool,
    /// Trying on makes no sense in this run.
    hopeless: bool,
    fatal: Option<SourceError>,
    quiet_since: Instant,
}

impl Fetcher<'_> {
    /// Blobs to begin with now.
    async fn next(&mut self, active: usize) -> Result<Vec<PendingBlob>, SourceError> {
        let now = Instant::now();
        self.paused_until = self.paused_until.filter(|until| *until > now);
        if self.feed.once() && active == 0 && self.failing && now > self.feed.give_up_at() {
            self.hopeless = true;
        }
        if self.paused_until.is_some() || self.hopeless || self.out.is_none() {
            return Ok(Vec::new());
        }
        if self.queue.is_empty() && self.phase == Phase::Ask && active < ACTIVE {
            let (feed, shared) = (self.feed, &self.feed.shared);
            // Before the ledger is asked, or what is listed in between is taken for undeliverable.
            let settled = feed.listing_ended.load(Ordering::Acquire);
            let due = shared
                .ledger
                .due(feed.row.feed, shared.pace.now(), active + BATCH)
                .await?;
            let fresh = due
                .blobs
                .into_iter()
                .filter(|blob| !self.on_their_way.contains(&blob.content_id));
            self.queue.extend(fresh);
            if self.queue.is_empty() {
                // A run that has to end does not wait for what was set aside.
                let quarantined = due.next_quarantined.filter(|_| !feed.once());
                let next = due.next.into_iter().chain(quarantined).min();
                let due = next.map(|next| Instant::now() + shared.pace.until(next));
                self.phase = Phase::Dry { due, settled };
            }
        }
        let room = ACTIVE.saturating_sub(active).min(self.queue.len());
        if room > 0 {
            self.quiet_since = now;
        }
        Ok(self.queue.drain(..room).collect())
    }

    /// Whether and how the work of a run that has to end is over; nothing is active.
    async fn end(&self) -> Result<Option<End>, SourceError> {
        let feed = self.feed;
        if !feed.once() || !feed.listing_ended.load(Ordering::Acquire) {
            return Ok(None);
        }
        let now = Instant::now();
        let resume = match (self.phase, self.paused_until) {
            _ if self.out.is_none() || self.hopeless => None,
            // The end of listing wakes the feed up to ask once more.
            (Phase::Ask | Phase::Dry { settled: false, .. }, None) => return Ok(None),
            (Phase::Dry { due: None, .. }, None) if self.queue.is_empty() => None,
            (Phase::Dry { due, .. }, paused) => due.max(paused),
            (Phase::Ask, Some(paused)) => Some(paused),
        };
        if resume.is_some_and(|resume| resume.max(now) <= feed.give_up_at()) {
            return Ok(None);
        }
        let pending = feed.shared.ledger.pending(feed.row.feed).await?;
        if pending == 0 {
            return Ok(Some(End::Complete));
        }
        let reason = self
            .last_failure
            .as_deref()
            .unwrap_or("the pipeline did not take them");
        let reason = format!("{pending} blobs are not delivered: {reason}");
        telemetry::feed_incomplete(&feed.key, &reason);
        Ok(Some(End::GaveUp(reason)))
    }

    fn wake_at(&self) -> Instant {
        let mut wake_at = Instant::now() + FOREVER;
        if let Phase::Dry { due: Some(due), .. } = self.phase {
            wake_at = wake_at.min(due);
        }
        if let Some(until) = self.paused_until {
            wake_at = wake_at.min(until);
        }
        match self.lingering() {
            Some(until) => wake_at.min(until),
            None if self.feed.once() => wake_at.min(Instant::now() + LINGER),
            None => wake_at,
        }
    }

    /// Until when the way out stays open, if nothing is left but acknowledgements.
    fn lingering(&self) -> Option<Instant> {
        let only_acknowledgements = self.feed.once()
            && self.out.is_some()
            && self.feed.listing_ended.load(Ordering::Acquire)
            && self.queue.is_empty()
            && self.phase
                == Phase::Dry {
                    due: None,
                    settled: true,
                }
            && self.paused_until.is_none()
            && self.feed.unsent.load(Ordering::Acquire) == 0
            && !self.on_their_way.is_empty();
        only_acknowledgements.then_some(self.quiet_since + LINGER)
    }

    fn woke(&mut self) {
        if self.lingering().is_some_and(|until| until <= Instant::now()) {
            // Some sinks answer only when their input ends.
            self.out = None;
            self.feed.closing.cancel();
        }
        self.phase = Phase::Ask;
    }

    fn ended(&mut self, content_id: &str, outcome: Result<Outcome, SourceError>) {
        let jitter = &self.feed.shared.jitter;
        self.on_their_way.remove(content_id);
        self.quiet_since = Instant::now();
        match outcome {
            Ok(Outcome::Final) => {
                self.failing = false;
                self.failures = 0;
                self.refusals = 0;
                self.feed.touch();
            }
            Ok(Outcome::Abandoned) => {}
            Ok(Outcome::Later { reason, transient }) => {
                self.failing = true;
                self.last_failure = Some(reason);
                self.phase = Phase::Ask;
                // What fails while the feed pauses had begun before.
                if !transient || self.paused_until.is_some() {
                    return;
                }
                self.failures += 1;
                if self.failures >= PATIENCE {
                    let wait = self.feed.wait(TRANSIENT, self.failures - PATIENCE + 1, None);
                    self.paused_until = Some(Instant::now() + wait);
                }
            }
            Ok(Outcome::Refused { reason }) => {
                self.last_failure = Some(reason);
                self.phase = Phase::Ask;
                self.failing = true;
                self.refusals += 1;
                // One blob that is refused is not the feed.
                if self.refusals >= PATIENCE {
                    self.hopeless = self.feed.once();
                    self.paused_until = Some(Instant::now() + SLOW.wait(1, None, jitter));
                }
            }
            Err(error) => {
                // Everything else that is on its way ends by itself.
                self.feed.shared.stop.cancel();
                self.fatal.get_or_insert(error);
            }
        }
    }
}
