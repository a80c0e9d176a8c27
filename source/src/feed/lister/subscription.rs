//! The subscription that a feed needs: looked at first, started only if it is missing, and not again for a while.

use std::{sync::atomic::Ordering, time::Duration};

use chrono::TimeDelta;
use tokio::time::sleep;

use super::{End, Failure, Lister, judge};
use crate::{
    error::{Class, SourceError},
    telemetry,
};

/// Documented: after a start request, wait so long before the next.
const START_COOLDOWN: TimeDelta = TimeDelta::minutes(15);
/// Of those that the service has answered with an error of its own, or not at all, so many count as one: nothing was
/// started, as the list of subscriptions says before each.
const START_TRIES: u32 = 5;

impl Lister<'_> {
    /// Starts the subscription again if it ends while the blobs of a run that has to end are fetched: they cannot be had
    /// without one, and nobody lists any more.
    pub(super) async fn keep_subscribed(&mut self) -> Result<End, SourceError> {
        let feed = self.feed;
        let mut failures = 0;
        let mut wait = Duration::MAX;
        loop {
            tokio::select! {
                biased;
                () = feed.fetched.cancelled() => return Ok(End::Complete),
                () = feed.unsubscribed.notified() => {}
                () = sleep(wait) => {}
            }
            wait = match Box::pin(self.subscribe()).await? {
                Ok(()) => {
                    failures = 0;
                    Duration::MAX
                }
                Err(failure) => {
                    failures += 1;
                    let (wait, lasting, reason) = judge(feed, &failure, failures);
                    if lasting || feed.gives_up(wait) {
                        telemetry::feed_incomplete(&feed.key, &reason);
                        return Ok(End::GaveUp(reason));
                    }
                    telemetry::feed_failing(&feed.limiter, &feed.key, &reason, wait);
                    wait
                }
            };
        }
    }

    /// Makes sure that there is a subscription. Lists first, since starting an enabled one may change it.
    pub(super) async fn subscribe(&mut self) -> Result<Result<(), Failure>, SourceError> {
        let feed = self.feed;
        if feed.subscribed.load(Ordering::Relaxed) {
            return Ok(Ok(()));
        }
        let client = &feed.tenant.client;
        match client.is_subscribed(feed.key.content_type).await {
            // If the service does not say, the listing will; what that has said counts more than the list.
            Ok(Some(true) | None) if !feed.refuted.load(Ordering::Relaxed) => {
                feed.subscribed.store(true, Ordering::Relaxed);
                return Ok(Ok(()));
            }
            Ok(_) if feed.shared.settings.plan.range.is_some() => {
                return Ok(Err(Failure::NotSubscribed));
            }
            Ok(_) => {}
            Err(error) => return Ok(Err(Failure::Api(error))),
        }
        let now = feed.shared.pace.now();
        if let Some(last) = self.start_attempt {
            let again = last + START_COOLDOWN;
            // A clock that was set back must not lock the feed out.
            if now < again && now >= last {
                return Ok(Err(Failure::Cooling(feed.shared.pace.until(again))));
            }
        }
        let answer = client.start_subscription(feed.key.content_type).await;
        let in_vain = answer
            .as_ref()
            .is_err_and(|error| matches!(error.class(), Class::Transient { .. } | Class::Throttled { .. }));
        self.failed_starts = if in_vain { self.failed_starts + 1 } else { 0 };
        if !in_vain || self.failed_starts >= START_TRIES {
            self.failed_starts = 0;
            self.start_attempt = Some(now);
            // Remembered after the answer: a process that was killed before the request left must not wait a quarter of an
            // hour at its next start. Killed between the two, it finds the subscription enabled.
            feed.shared.ledger.start_attempted(feed.row.feed, now).await?;
        }
        match answer {
            Ok(()) => {
                telemetry::subscription_started(&feed.key);
                feed.subscribed.store(true, Ordering::Relaxed);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(Failure::Api(error))),
        }
    }
}
