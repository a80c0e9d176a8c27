//! The simulator's idea of now.
//!
//! Windows, expiry, token lifetimes and the `Date` header all follow this clock, so a test can let eight days pass
//! without waiting, and a demonstration prints the same bytes every time. The real time never enters by itself: who
//! wants a clock that agrees with the wall passes the current instant to [`SimClock::running`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// A clock that stands still until it is moved, or that runs from a given instant.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    base: DateTime<Utc>,
    running_since: Option<Instant>,
}

impl SimClock {
    /// A clock that shows `at` until it is set or advanced.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self {
            base: at,
            running_since: None,
        }
    }

    /// A clock that shows `from` now and goes on at the speed of real time.
    pub fn running(from: DateTime<Utc>) -> Self {
        Self {
            base: from,
            running_since: Some(Instant::now()),
        }
    }

    /// What the clock shows.
    pub fn now(&self) -> DateTime<Utc> {
        self.base + self.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Moves the clock forward; a running clock keeps running.
    pub fn advance(&mut self, by: Duration) {
        self.base += by;
    }

    /// Moves the clock to `at`, also backwards; a running clock keeps running.
    pub fn set(&mut self, at: DateTime<Utc>) {
        self.base = at;
        if self.running_since.is_some() {
            self.running_since = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_NOW;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let mut clock = SimClock::fixed(DEFAULT_NOW);
        assert_eq!(clock.now(), DEFAULT_NOW);
        clock.advance(Duration::from_hours(2));
        assert_eq!(clock.now(), DEFAULT_NOW + Duration::from_hours(2));
        clock.set(DEFAULT_NOW);
        assert_eq!(clock.now(), DEFAULT_NOW);
    }

    #[test]
    fn a_running_clock_never_goes_back() {
        let clock = SimClock::running(DEFAULT_NOW);
        let first = clock.now();
        assert!(first >= DEFAULT_NOW && clock.now() >= first);
    }
}
