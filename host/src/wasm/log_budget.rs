//! How much a component may write to the log: so many lines a second, over all of its instances.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lines that a transform's component may write in a second; the rest is counted and dropped.
const LINES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Second {
    began: Instant,
    lines: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct LogBudget(Mutex<Second>);

/// What to do with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Write {
        /// Lines that were dropped before it and have not been told yet.
        dropped: u32,
    },
    Drop,
}

impl LogBudget {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Second { began: now, lines: 0 }))
    }

    /// A line at this time.
    pub(super) fn take(&self, now: Instant) -> Verdict {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        if now.duration_since(second.began) >= SECOND {
            dropped = second.lines.saturating_sub(LINES);
            *second = Second { began: now, lines: 0 };
        }
        second.lines = second.lines.saturating_add(1);
        if second.lines <= LINES {
            Verdict::Write { dropped }
        } else {
            Verdict::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_dropped_and_told_in_the_next_second() {
        let now = Instant::now();
        let budget = LogBudget::new(now);
        for _ in 0..LINES {
            assert_eq!(budget.take(now), Verdict::Write { dropped: 0 });
        }
        for _ in 0..7 {
            assert_eq!(budget.take(now + SECOND / 2), Verdict::Drop);
        }
        assert_eq!(budget.take(now + SECOND), Verdict::Write { dropped: 7 });
        assert_eq!(budget.take(now + SECOND), Verdict::Write { dropped: 0 });
    }
}
