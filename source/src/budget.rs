//! The request budget of one tenant: a rate, and a pause for everybody after the service said "too many".
//!
//! The rate is a GCRA on tokio's clock, so that tests can pause it. The budget is the tenant's alone: a tenant
//! that is throttled never slows another one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::backoff::{Backoff, Jitter};

/// First pause after a throttled request; doubles up to the cap. Reference §11.
const THROTTLE: Backoff = Backoff::secs(30, 300);
/// Requests that may follow each other without a pause.
const BURST: u32 = 100;

/// See the module.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Time that one request costs.
    cost: Duration,
    /// How far ahead of now the account may be.
    tolerance: Duration,
    account: Mutex<Account>,
    jitter: Jitter,
}

#[derive(Debug)]
struct Account {
    /// Theoretical arrival time of the next request.
    due: Instant,
    /// Nobody sends before.
    blocked_until: Instant,
    /// Throttled answers in a row.
    throttled: u32,
}

impl Budget {
    pub(crate) fn new(requests_per_minute: u32, jitter: Jitter) -> Self {
        let rate = requests_per_minute.max(1);
        let cost = Duration::from_mins(1) / rate;
        let now = Instant::now();
        Self {
            cost,
            tolerance: cost * BURST.min(rate).saturating_sub(1),
            account: Mutex::new(Account {
                due: now,
                blocked_until: now,
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

    fn try_acquire(&self, now: Instant) -> Result<(), Instant> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if account.blocked_until > now {
            return Err(account.blocked_until);
        }
        let due = account.due.max(now);
        let earliest = due.checked_sub(self.tolerance).unwrap_or(now);
        if earliest > now {
            return Err(earliest);
        }
        account.due = due + self.cost;
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
    use super::*;

    fn budget(rate: u32) -> Budget {
        Budget::new(rate, Jitter::seeded(1))
    }

    async fn elapsed(budget: &Budget, requests: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..requests {
            budget.acquire().await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_then_the_rate_rules() {
        let budget = budget(600);
        assert_eq!(elapsed(&budget, 100).await, Duration::ZERO);
        let more = elapsed(&budget, 600).await;
        assert!(
            more >= Duration::from_secs(59) && more <= Duration::from_secs(61),
            "{more:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_budget_has_a_small_burst() {
        let budget = budget(1);
        assert_eq!(elapsed(&budget, 1).await, Duration::ZERO);
        assert!(elapsed(&budget, 1).await >= Duration::from_secs(59));
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
