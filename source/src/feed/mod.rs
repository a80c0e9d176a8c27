//! One feed at work: what is listed and what is fetched go on side by side, so that a slow sink delays fetching but not
//! the discovery of blobs that will expire.

mod delivery;
mod fetcher;
mod lister;
mod poison;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use o365_core::{
    ComponentKey, RunMode, SourceSender,
    backoff::{Backoff, Jitter},
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::delivery::Outcome;
use crate::{
    client::ApiClient,
    dedupe::InFlight,
    error::{ApiError, Class, SourceError, chain},
    fetch::BodyRoom,
    ledger::{FeedRow, Ledger},
    pace::Pace,
    quarantine::Quarantine,
    settings::Settings,
    stats::FeedStats,
    telemetry::Limiter,
    types::FeedKey,
};

/// Waits after failures that pass by themselves.
const TRANSIENT: Backoff = Backoff::secs(1, 300);
/// Somebody waits for a run that has to end: it does not wait longer than this for what passes by itself, and gives up
/// soon enough.
const ONCE_CAP: Duration = Duration::from_secs(5);
/// Waits after failures that only an operator can lift.
const SLOW: Backoff = Backoff::secs(1_800, 1_800);

/// What all feeds of a source share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) component: ComponentKey,
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) pace: Pace,
    pub(crate) mode: RunMode,
    pub(crate) room: BodyRoom,
    pub(crate) jitter: Jitter,
    /// No new work.
    pub(crate) stop: CancellationToken,
    /// Counts up when somebody else has changed the ledger: there may be something to fetch.
    pub(crate) nudge: watch::Sender<u64>,
    pub(crate) quarantine: Quarantine,
    /// Feeds begin within this time, not all at once.
    pub(crate) stagger: Duration,
}

/// What the feeds of a tenant share.
#[derive(Debug)]
pub(crate) struct TenantShared {
    pub(crate) name: Option<String>,
    pub(crate) client: ApiClient,
    pub(crate) fetching: Semaphore,
    pub(crate) in_flight: Arc<InFlight>,
}

/// One feed.
#[derive(Debug)]
pub(crate) struct Feed {
    key: FeedKey,
    row: FeedRow,
    shared: Arc<Shared>,
    tenant: Arc<TenantShared>,
    stats: Arc<FeedStats>,
    limiter: Limiter,
    /// There may be something to fetch, or listing has ended.
    wake: Notify,
    /// The subscription is known to be enabled.
    subscribed: AtomicBool,
    /// The service has refused requests for want of a subscription, whatever its list says.
    refuted: AtomicBool,
    listing_ended: AtomicBool,
    /// A request was answered with there being no subscription.
    unsubscribed: Notify,
    /// Nothing is left to be fetched in a run that has to end.
    fetched: CancellationToken,
    /// Blobs that are on their way and not yet sent to their end.
    unsent: AtomicUsize,
    /// Nothing new will be sent: what only waits lets go of the pipeline.
    closing: CancellationToken,
    progressed: Mutex<Instant>,
}

/// How one half of a feed ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// All that was to be done is done.
    Complete,
    /// It was told to stop.
    Stopped,
    /// It has given up, for this reason.
    GaveUp(String),
}

impl Feed {
    pub(crate) fn new(
        key: FeedKey,
        row: FeedRow,
        shared: Arc<Shared>,
        tenant: Arc<TenantShared>,
        stats: Arc<FeedStats>,
    ) -> Self {
        if let Some(progress) = row.progress {
            stats.set_cursor(progress.cursor);
        }
        let closing = shared.stop.child_token();
        Self {
            key,
            row,
            shared,
            tenant,
            stats,
            limiter: Limiter::default(),
            wake: Notify::new(),
            subscribed: AtomicBool::new(false),
            refuted: AtomicBool::new(false),
            listing_ended: AtomicBool::new(false),
            unsubscribed: Notify::new(),
            fetched: CancellationToken::new(),
            unsent: AtomicUsize::new(0),
            closing,
            progressed: Mutex::new(Instant::now()),
        }
    }

    /// Works until told to stop, or until everything up to now is delivered. Returns why the feed is incomplete, if it
    /// is.
    ///
    /// # Cancel safety
    /// Whatever is dropped is fetched again: the ledger has it as pending.
    pub(crate) async fn run(&self, out: SourceSender) -> Result<Option<String>, SourceError> {
        let list = async {
            let end = lister::run(self).await;
            self.end_listing();
            if end.is_err() {
                self.shared.stop.cancel();
            }
            end
        };
        let fetch = async {
            let end = fetcher::run(self, out).await;
            self.fetched.cancel();
            end
        };
        let (listed, fetched) = futures_util::future::join(list, fetch).await;
        let reasons: Vec<_> = [listed?, fetched?]
            .into_iter()
            .filter_map(|end| match end {
                End::Complete | End::Stopped => None,
                End::GaveUp(reason) => Some(reason),
            })
            .collect();
        Ok((!reasons.is_empty()).then(|| reasons.join("; ")))
    }

    /// Nothing more is added to what there is to fetch.
    fn end_listing(&self) {
        self.listing_ended.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The subscription is missing or disabled.
    fn lose_subscription(&self) {
        self.refuted.store(true, Ordering::Relaxed);
        self.subscribed.store(false, Ordering::Relaxed);
        self.unsubscribed.notify_one();
    }

    fn once(&self) -> bool {
        self.shared.mode == RunMode::Once
    }

    /// How long to wait after a failure that passes by itself.
    fn wait(&self, backoff: Backoff, failures: u32, retry_after: Option<Duration>) -> Duration {
        let cap = if self.once() {
            backoff.cap.min(ONCE_CAP)
        } else {
            backoff.cap
        };
        Backoff { cap, ..backoff }.wait(failures, retry_after, &self.shared.jitter)
    }

    fn touch(&self) {
        *self.progressed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When a run that has to end gives this feed up.
    fn give_up_at(&self) -> Instant {
        let progressed = *self.progressed.lock().unwrap_or_else(PoisonError::into_inner);
        progressed + self.shared.settings.once_give_up_after
    }

    /// Whether a run that has to end gives up rather than wait that long.
    fn gives_up(&self, wait: Duration) -> bool {
        self.once() && Instant::now() + wait > self.give_up_at()
    }

    /// An error with what to do about it. A refusal is explained by what the token lacks.
    fn explain(&self, error: &ApiError) -> String {
        let mut text = chain(error);
        if matches!(error.class(), Class::Unauthorized | Class::Permission)
            && let Some(role) = self.tenant.client.missing_role(self.key.content_type)
        {
            return format!(
                "{text} (the token lacks the role {role}: grant it as an application permission, with admin consent)"
            );
        }
        if let Some(hint) = error.hint() {
            text = format!("{text} ({hint})");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<'a, F>(_: impl Fn(&'a Feed, SourceSender) -> F) -> usize {
        size_of::<F>()
    }

    /// Thousands of tenants with five feeds each are idle nearly all of the time.
    #[test]
    fn a_feed_that_waits_is_small() {
        let size = size_of::<Feed>() + size_of_future(Feed::run);
        assert!(size <= 2_500, "{size} bytes");
    }
}
