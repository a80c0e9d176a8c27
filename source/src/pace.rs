//! Calendar time that never stands still.
//!
//! The calendar comes from a [`Clock`], which may be fixed in a demonstration; waiting is tokio's business. Times of next
//! attempts are kept in the ledger as calendar time and must come nevertheless.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use o365_core::Clock;
use tokio::time::Instant;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    clock: Arc<dyn Clock>,
    calendar: DateTime<Utc>,
    instant: Instant,
}

impl Pace {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            calendar: clock.now(),
            instant: Instant::now(),
            clock,
        }
    }

    /// The calendar's time: what windows are planned with.
    pub(crate) fn calendar(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The calendar's time, or later if it stands still: what waiting is measured with.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.instant.elapsed()).unwrap_or(TimeDelta::MAX);
        self.clock.now().max(self.calendar + elapsed)
    }

    /// In how long it will be `time`.
    pub(crate) fn until(&self, time: DateTime<Utc>) -> Duration {
        (time - self.now()).to_std().unwrap_or_default()
    }
}

pub(crate) fn later(time: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| time.checked_add_signed(wait))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use o365_core::ManualClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn goes_on_when_the_clock_stands_still() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        let pace = Pace::new(Arc::new(clock.clone()));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(pace.calendar(), DateTime::UNIX_EPOCH);
        assert_eq!(pace.now(), DateTime::UNIX_EPOCH + TimeDelta::minutes(1));
        clock.advance(TimeDelta::hours(1));
        assert_eq!(
            pace.until(DateTime::UNIX_EPOCH + TimeDelta::hours(2)),
            Duration::from_hours(1)
        );
    }
}
