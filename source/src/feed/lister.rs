//! The half of a feed that lists: keeps the subscription enabled, performs what the planner says, and writes what it
//! found into the ledger.

mod subscription;

use std::{sync::atomic::Ordering, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::sleep;
use tracing::Instrument;

use super::{End, Feed, SLOW, TRANSIENT};
use crate::{
    error::{ApiError, Class, SourceError, chain},
    ledger::NewBlob,
    pace::later,
    plan::{Effect, Gap, Input, Planner},
    stats::add,
    telemetry, trace,
    types::Window,
    wire::Descriptor,
};

/// How often a window is listed at once from its first page again, because another page's address had gone stale.
const STALE_PAGES: u32 = 3;
/// Windows that may fail in a row before the cycle is given up. A window that fails is not waited for: the others come
/// first, and the next cycle has what is left.
const SKIPS: u32 = 2;
/// Clocks that differ more make a difference.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(1);
/// Who tells a time that is even further away is not believed, unless a window has been refused.
const BELIEVED: TimeDelta = TimeDelta::days(1);

/// How a cycle ended.
#[derive(Debug)]
enum Cycle {
    Complete,
    /// The plan was made with the wrong time.
    Again,
    Failed(Failure),
}

/// Why a cycle did not list everything.
#[derive(Debug)]
enum Failure {
    Api(ApiError),
    /// The subscription is not enabled, and may not be started for a while.
    Cooling(Duration),
    /// The subscription is not enabled, and a backfill leaves it to the collection to start one.
    NotSubscribed,
}

/// See the module. Returns at once when told to stop.
pub(super) async fn run(feed: &Feed) -> Result<End, SourceError> {
    let stop = &feed.shared.stop;
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(End::Stopped),
        end = list(feed) => end,
    }
}

async fn list(feed: &Feed) -> Result<End, SourceError> {
    let mut lister = Lister {
        feed,
        planner: Planner::new(feed.shared.settings.plan, feed.row.progress),
        start_attempt: feed.row.start_attempt,
        failed_starts: 0,
        time: Time::Ours,
        unlisted: usize::MAX,
    };
    if !feed.once() {
        let shared = &feed.shared;
        sleep(shared.jitter.between(Duration::ZERO, shared.stagger)).await;
    }
    let mut failures = 0;
    loop {
        let unlisted = lister.unlisted;
        // Boxed, so that a feed that waits for its next cycle holds no room for requests.
        let wait = match Box::pin(lister.cycle()).await? {
            Cycle::Complete => {
                failures = 0;
                lister.unlisted = usize::MAX;
                feed.stats.listing_works();
                if feed.once() {
                    feed.end_listing();
                    return lister.keep_subscribed().await;
                }
                let interval = feed.shared.settings.poll_interval;
                feed.shared.jitter.between(interval * 19 / 20, interval)
            }
            Cycle::Again => continue,
            Cycle::Failed(failure) => {
                failures += 1;
                if lister.unlisted < unlisted {
                    // What makes progress need not become slower.
                    failures = 1;
                    feed.touch();
                }
                let (wait, lasting, reason) = judge(feed, &failure, failures);
                feed.stats
                    .listing_failed(reason.clone(), failures, feed.shared.pace.calendar());
                feed.shared
                    .ledger
                    .feed_failed(feed.row.feed, reason.clone())
                    .await?;
                if feed.once() && (lasting || feed.gives_up(wait)) {
                    telemetry::feed_incomplete(&feed.key, &reason);
                    return Ok(End::GaveUp(reason));
                }
                telemetry::feed_failing(&feed.limiter, &feed.key, &reason, wait);
                wait
            }
        };
        sleep(wait).await;
    }
}

/// How long to wait after a failure, whether only an operator can end it, and what to tell.
fn judge(feed: &Feed, failure: &Failure, failures: u32) -> (Duration, bool, String) {
    let jitter = &feed.shared.jitter;
    match failure {
        Failure::Cooling(wait) => {
            let reason = "the subscription is not enabled although it was started less than 15 minutes ago";
            (*wait, false, reason.to_owned())
        }
        Failure::NotSubscribed => {
            let reason =
                "the subscription is not enabled, and a backfill starts none: run the collection first";
            (SLOW.wait(failures, None, jitter), true, reason.to_owned())
        }
        Failure::Api(error) => {
            let reason = feed.explain(error);
            match error.class() {
                Class::Transient { retry_after } => {
                    (feed.wait(TRANSIENT, failures, retry_after), false, reason)
                }
                Class::Throttled { .. } | Class::NoSubscription | Class::StalePage => {
                    (feed.wait(TRANSIENT, failures + 2, None), false, reason)
                }
                Class::Unauthorized
                | Class::Permission
                | Class::Rejected
                | Class::Bug
                | Class::Window
                | Class::TooMuch
                | Class::Expired
                | Class::Unusable => (SLOW.wait(failures, None, jitter), true, reason),
            }
        }
    }
}

struct Lister<'a> {
    feed: &'a Feed,
    planner: Planner,
    start_attempt: Option<DateTime<Utc>>,
    /// Starts without effect since then.
    failed_starts: u32,
    time: Time,
    /// Windows that the last cycle, which was not complete, has left.
    unlisted: usize,
}

/// Whose clock windows are planned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    /// Ours, corrected by the service's if they differ.
    Ours,
    /// The service's, from the next cycle on: it has refused a window, and our clock differs.
    Switching,
    Theirs,
}

/// What became of a window.
enum Listed {
    All(Vec<Descriptor>),
    Not(Input, ApiError),
}

impl Lister<'_> {
    fn now(&self) -> DateTime<Utc> {
        let now = self.feed.shared.pace.calendar();
        let skew = self.feed.tenant.client.skew();
        // Known before the first plan: the list of subscriptions came with it. A plan by the wrong time asks for what is
        // refused, takes what it cannot ask for as a gap, or ends before now.
        let differs = skew.abs() > MAX_SKEW && skew.abs() < BELIEVED;
        match self.time {
            Time::Ours | Time::Switching if !differs => now,
            Time::Ours | Time::Switching | Time::Theirs => now + skew,
        }
    }

    async fn cycle(&mut self) -> Result<Cycle, SourceError> {
        if let Err(failure) = self.subscribe().await? {
            return Ok(Cycle::Failed(failure));
        }
        let mut input = Input::Poll {
            sweep: self.feed.once(),
        };
        let mut found = Vec::new();
        let mut failure = None;
        let mut skipped = 0;
        loop {
            let mut window = None;
            let mut gap = None;
            for effect in self.planner.step(input, self.now()) {
                match effect {
                    Effect::Gap(lost) => gap = Some(lost),
                    Effect::Save(progress) => {
                        self.save(progress, std::mem::take(&mut found), gap.take())
                            .await?;
                    }
                    Effect::List(next) => window = Some(next),
                    Effect::Done { left: 0 } => return Ok(Cycle::Complete),
                    Effect::Done { .. } if self.time == Time::Switching => {
                        self.time = Time::Theirs;
                        return Ok(Cycle::Again);
                    }
                    Effect::Done { left } => {
                        self.unlisted = left;
                        let error = failure.unwrap_or(ApiError::EndlessPages(0));
                        return Ok(Cycle::Failed(Failure::Api(error)));
                    }
                }
            }
            let Some(window) = window else {
                // The planner always names a window or the end.
                return Ok(Cycle::Complete);
            };
            let span = trace::list(&self.feed.shared.component, &self.feed.key, window);
            let listed = self.window(window).instrument(span.clone()).await;
            match &listed {
                Listed::All(descriptors) => drop(span.record("o365.blobs", descriptors.len())),
                Listed::Not(..) => trace::failed(&span),
            }
            drop(span);
            input = match listed {
                Listed::All(descriptors) => {
                    skipped = 0;
                    found = self.blobs(window, descriptors);
                    add(&self.feed.stats.windows_listed, 1);
                    // Later cycles list parts again, which is no progress.
                    if self.unlisted == usize::MAX {
                        self.feed.touch();
                    }
                    Input::Listed
                }
                Listed::Not(next, error) => {
                    telemetry::window_failed(&self.feed.limiter, &self.feed.key, window, &error);
                    failure = Some(error);
                    if next == Input::Skip {
                        skipped += 1;
                    }
                    if skipped > SKIPS { Input::Abort } else { next }
                }
            };
        }
    }

    /// Lists a window, as often as makes sense now.
    async fn window(&mut self, window: Window) -> Listed {
        let feed = self.feed;
        let mut stale = 0;
        loop {
            let error = match feed
                .tenant
                .client
                .list_content(feed.key.content_type, window)
                .await
            {
                Ok(descriptors) => {
                    feed.refuted.store(false, Ordering::Relaxed);
                    return Listed::All(descriptors);
                }
                Err(error) => error,
            };
            match error.class() {
                // The budget makes everybody wait.
                Class::Throttled { .. } if !feed.gives_up(Duration::ZERO) => {}
                // A page's address has gone stale: the window again, from its first page.
                Class::StalePage if stale < STALE_PAGES => stale += 1,
                Class::Transient { retry_after: None } | Class::StalePage | Class::Rejected | Class::Bug => {
                    return Listed::Not(Input::Skip, error);
                }
                Class::NoSubscription => {
                    feed.lose_subscription();
                    return Listed::Not(Input::Abort, error);
                }
                Class::Window => {
                    if self.time == Time::Ours && feed.tenant.client.skew().abs() > MAX_SKEW {
                        self.time = Time::Switching;
                        return Listed::Not(Input::Abort, error);
                    }
                    return Listed::Not(Input::Refused, error);
                }
                Class::TooMuch | Class::Unusable => return Listed::Not(Input::TooMuch, error),
                // Who names a time is not asked for the next window before.
                Class::Transient { retry_after: Some(_) }
                | Class::Throttled { .. }
                | Class::Unauthorized
                | Class::Permission
                | Class::Expired => return Listed::Not(Input::Abort, error),
            }
        }
    }

    fn blobs(&self, window: Window, descriptors: Vec<Descriptor>) -> Vec<NewBlob> {
        let feed = self.feed;
        let listed = descriptors.len();
        let mut blobs: Vec<_> = descriptors
            .into_iter()
            .filter_map(|descriptor| {
                let refusal = match descriptor.uri.as_deref() {
                    None => Some("the service gave no address".to_owned()),
                    Some(uri) => feed.tenant.client.pin(uri).err().map(|error| chain(&error)),
                };
                Some(NewBlob {
                    content_id: descriptor.id?,
                    uri: descriptor.uri,
                    created: descriptor.created.unwrap_or(window.start()),
                    expiration: descriptor.expiration,
                    refusal,
                })
            })
            .collect();
        if blobs.len() < listed {
            telemetry::odd_descriptors(&feed.limiter, &feed.key, listed - blobs.len());
        }
        // Pages are not sorted and may repeat each other.
        blobs.sort_by(|a, b| (a.created, &a.content_id).cmp(&(b.created, &b.content_id)));
        blobs.dedup_by(|a, b| a.content_id == b.content_id);
        telemetry::listed(&feed.key, window, blobs.len());
        blobs
    }

    async fn save(
        &self,
        progress: crate::plan::Progress,
        blobs: Vec<NewBlob>,
        gap: Option<Gap>,
    ) -> Result<(), SourceError> {
        let feed = self.feed;
        let now = later(feed.shared.pace.now(), Duration::ZERO);
        let ledger = &feed.shared.ledger;
        feed.stats.set_cursor(progress.cursor);
        if blobs.is_empty() && gap.is_none() {
            ledger.listed_nothing(feed.row.feed, progress, now);
            return Ok(());
        }
        let recorded = ledger.record(feed.row.feed, progress, blobs, gap, now).await?;
        add(&feed.stats.blobs_found, recorded.new);
        add(&feed.stats.blobs_quarantined, recorded.refused.len() as u64);
        if let Some(gap) = gap {
            add(&feed.stats.gaps, 1);
            telemetry::gap(&feed.key, gap.from, gap.to);
        }
        for (content_id, reason) in &recorded.refused {
            telemetry::blob_lost(&feed.key, content_id, false, reason);
        }
        if recorded.new > 0 || recorded.moved > 0 {
            feed.wake.notify_one();
        }
        Ok(())
    }
}
