//! The request budget of one tenant: a rate, and a pause for everybody after the service said "too many".
//!
//! The rate is a GCRA on tokio's clock, so that tests can pause it. No sliding minute holds more than the configured
//! number: what may follow without a pause is taken out of the minute, not put on top of it. That holds over restarts
//! too, however often a process is killed: one that may have had a predecessor starts as if that one had just used up
//! everything ([`Start::Resumed`]), which costs it the first burst and needs no file. The budget is the tenant's
//! alone: a tenant that is throttled never slows another one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use o365_core::backoff::{Backoff, Jitter};
use tokio::time::Instant;

use crate::beside::ROOM_AFTER;

/// First pause after a throttled request; doubles up to the cap. Reference §11.
const THROTTLE: Backoff = Backoff::secs(30, 300);
/// The minute that is counted, and a second more: requests travel for different times.
pub(crate) const SPAN: Duration = Duration::from_secs(61);
/// Share of a minute's requests that may follow each other without a pause: one of so many. Enough for the listings of
/// a week, so that the first blob does not wait behind them.
const BURST_SHARE: u32 = 10;

/// What is known of the requests before this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// There were none.
    First,
    /// There may have been as many as are allowed, up to this moment.
    Resumed,
    /// Somebody else is asking, and makes room ([`crate::beside`]).
    Beside,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Requests per minute.
    rate: u32,
    account: Mutex<Account>,
    jitter: Jitter,
}

#[derive(Debug)]
struct Account {
    pace: Pace,
    /// Theoretical arrival time of the next request.
    due: Instant,
    /// Nobody sends before.
    blocked_until: Instant,
    /// Throttled answers in a row.
    throttled: u32,
}

/// How fast requests may follow each other.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Time that one request costs.
    cost: Duration,
    /// How far ahead of now the account may be.
    tolerance: Duration,
}

impl Pace {
    fn of(requests_per_minute: u32) -> Self {
        let rate = requests_per_minute.max(1);
        let burst = (rate / BURST_SHARE).max(1);
        // A span sees the burst and what the pace adds to it: together no more than the rate.
        let cost = SPAN / (rate - burst + 1);
        Self {
            cost,
            tolerance: cost * (burst - 1),
        }
    }
}

impl Budget {
    pub(crate) fn new(requests_per_minute: u32, start: Start, jitter: Jitter) -> Self {
        let pace = Pace::of(requests_per_minute);
        let now = Instant::now();
        // As far ahead as any request can have left it.
        let resumed = now + pace.tolerance + pace.cost;
        Self {
            rate: requests_per_minute,
            account: Mutex::new(Account {
                pace,
                due: match start {
                    Start::First => now,
                    Start::Resumed | Start::Beside => resumed,
                },
                blocked_until: match start {
                    Start::First | Start::Resumed => now,
                    Start::Beside => now + ROOM_AFTER,
                },
                throttled: 0,
            }),
            jitter,
        }
    }

    /// Waits until one more request may be sent, and counts it.
    ///
    /// # Cancel safety
    /// Safe: a wait that is given up costs nothing.
    pub(crate) async fn acquire(&self) {
        while let Err(wait_until) = self.try_acquire(Instant::now()) {
            tokio::time::sleep_until(wait_until).await;
        }
    }

    /// Leaves so many requests per minute to others; at least one is kept.
    pub(crate) fn leave(&self, requests_per_minute: u32) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.pace = Pace::of(self.rate.saturating_sub(requests_per_minute));
    }

    fn try_acquire(&self, now: Instant) -> Result<(), Instant> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if account.blocked_until > now {
            return Err(account.blocked_until);
        }
        let due = account.due.max(now);
        let earliest = due.checked_sub(account.pace.tolerance).unwrap_or(now);
        if earliest > now {
            return Err(earliest);
        }
        account.due = due + account.pace.cost;
        Ok(())
    }

    /// The service said "too many": nobody of this tenant sends for a while. Returns for how long.
    ///
    /// Requests that were already under way and are refused too do not make it worse.
    pub(crate) fn throttled(&self, retry_after: Option<Duration>) -> Duration {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if account.blocked_until > now && retry_after.is_none() {
            return account.blocked_until - now;
        }
        account.throttled += 1;
        let pause = match retry_after {
            Some(wish) => self
                .jitter
                .between(wish, wish + wish / 10)
                .min(Duration::from_hours(1)),
            None => THROTTLE.wait(account.throttled, None, &self.jitter),
        };
        account.blocked_until = account.blocked_until.max(now + pause);
        account.blocked_until - now
    }

    /// The service answered.
    pub(crate) fn answered(&self) {
        self.account
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .throttled = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(rate: u32) -> Budget {
        Budget::new(rate, Start::First, Jitter::seeded(1))
    }

    async fn elapsed(budget: &Budget, requests: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..requests {
            budget.acquire().await;
        }
        start.elapsed()
    }

    /// The most requests that any minute holds, both its ends included.
    fn most_in_a_minute(sent: &[Instant]) -> usize {
        let end = |start: usize| sent.partition_point(|at| *at <= sent[start] + Duration::from_mins(1));
        (0..sent.len())
            .map(|start| end(start) - start)
            .max()
            .unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_the_rate_rules() {
        let budget = budget(600);
        assert_eq!(elapsed(&budget, 60).await, Duration::ZERO);
        // Nearly the rate.
        let more = elapsed(&budget, 540).await;
        assert!(
            more >= Duration::from_mins(1) && more <= Duration::from_secs(62),
            "{more:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_budget_has_a_small_burst() {
        let budget = budget(1);
        assert_eq!(elapsed(&budget, 1).await, Duration::ZERO);
        assert!(elapsed(&budget, 1).await > Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_minute_is_no_exception() {
        for rate in [1, 2, 19, 40, 600, 2_000] {
            let budget = budget(rate);
            let mut sent = Vec::new();
            for _ in 0..rate * 3 {
                budget.acquire().await;
                sent.push(Instant::now());
            }
            let most = most_in_a_minute(&sent);
            assert!(most <= rate as usize, "{most} requests at a rate of {rate}");
            // And it is nearly used up.
            assert!(
                most * 10 >= rate as usize * 9,
                "{most} requests at a rate of {rate}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_starts_again_waits_before_its_first_request() {
        let first = budget(120);
        elapsed(&first, 6).await;
        let second = Budget::new(120, Start::Resumed, Jitter::seeded(1));
        let wait = elapsed(&second, 1).await;
        assert!(
            wait >= Duration::from_millis(500) && wait < Duration::from_secs(1),
            "{wait:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Requests in any rhythm, the process killed and started again at any of them.
        #[test]
        fn no_minute_holds_more_than_the_rate(
            rate in 1_u32..400,
            steps in proptest::collection::vec((0_u64..4_000, proptest::bool::weighted(0.05)), 1..1_500),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let sent = runtime.block_on(async {
                let mut budget = budget(rate);
                let mut sent = Vec::new();
                for (pause, killed) in steps {
                    // Mostly as fast as it goes, now and then idle.
                    if pause > 3_900 {
                        tokio::time::sleep(Duration::from_millis(pause * 5)).await;
                    }
                    if killed {
                        budget = Budget::new(rate, Start::Resumed, Jitter::seeded(1));
                    }
                    budget.acquire().await;
                    sent.push(Instant::now());
                }
                sent
            });
            let most = most_in_a_minute(&sent);
            prop_assert!(most <= rate as usize, "{most} requests at a rate of {rate}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_tenant_waits_as_told_and_longer_each_time() {
        let budget = budget(60_000);
        let first = budget.throttled(None);
        assert!(first >= Duration::from_secs(15) && first <= Duration::from_secs(30));
        let again = budget.throttled(None);
        assert!(again <= first, "an answer to a request under way changes nothing");
        assert!(elapsed(&budget, 1).await + Duration::from_millis(2) >= first);
        assert!(budget.throttled(None) >= Duration::from_secs(30));
        elapsed(&budget, 1).await;
        budget.answered();
        let told = budget.throttled(Some(Duration::from_secs(2)));
        assert!(
            told >= Duration::from_secs(2) && told < Duration::from_secs(3),
            "{told:?}"
        );
    }
}
