//! What the cycles since the last complete one have listed, so that the next one lists what is missing and not everything
//! again: with three failures in ten requests, hardly any cycle would ever be complete.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::grid;
use crate::types::Window;

/// A cycle that follows another one so soon goes on with it: the look-back need not be listed again, nor the seconds
/// that have passed in between.
const AT_ONCE: TimeDelta = TimeDelta::minutes(1);

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Round {
    began: DateTime<Utc>,
    /// When its last cycle began.
    cycle: DateTime<Utc>,
    /// What was listed: spans that neither touch nor overlap, in order.
    spans: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// Up to where it has looked, by the time at which it did.
    horizon: DateTime<Utc>,
    /// What failed in its last cycle, if that was given up.
    last: Vec<Window>,
}

impl Round {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self {
            began: now,
            cycle: now,
            spans: Vec::new(),
            horizon: DateTime::<Utc>::MIN_UTC,
            last: Vec::new(),
        }
    }

    /// When the oldest of its listings may have been made.
    pub(super) fn began(&self) -> DateTime<Utc> {
        self.began
    }

    /// Everything below has been listed, once nothing of the round is left.
    pub(super) fn horizon(&self) -> DateTime<Utc> {
        self.horizon
    }

    /// Whether a cycle that begins now belongs to this round. What was listed longer ago than that does not count.
    pub(super) fn holds(&self, now: DateTime<Utc>, longest: TimeDelta) -> bool {
        self.cycle <= now && now - self.began < longest
    }

    pub(super) fn listed(&mut self, window: Window) {
        self.horizon = self.horizon.max(window.end().min(grid::round_down(self.cycle)));
        self.spans.push((window.start(), window.end()));
        self.spans.sort_unstable();
        let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
        for (start, end) in self.spans.drain(..) {
            match merged.last_mut() {
                Some((_, reached)) if start <= *reached => *reached = end.max(*reached),
                _ => merged.push((start, end)),
            }
        }
        self.spans = merged;
    }

    /// What failed in a cycle that was given up comes last in the next one: a few windows that cannot be listed must not keep
    /// it from all others, as often as it begins.
    pub(super) fn put_last(&mut self, failed: Vec<Window>) {
        self.last = failed;
    }

    /// Of the windows of a cycle that begins now, up to `end`, those that are still to be listed.
    pub(super) fn left(
        &mut self,
        windows: impl Iterator<Item = Window>,
        end: DateTime<Utc>,
        lookback: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> VecDeque<Window> {
        let at_once = now - self.cycle < AT_ONCE;
        self.cycle = now;
        let left = windows.filter(|window| {
            // Only behind the last window there is nothing: or the cursor would pass what was left out.
            let slack = if at_once && window.end() == end {
                AT_ONCE
            } else {
                TimeDelta::zero()
            };
            let done = self
                .spans
                .iter()
                .any(|(start, end)| *start <= window.start() && window.end() <= *end + slack);
            !done || (!at_once && window.end() > lookback)
        });
        // A window that was halved is whole again.
        let has = |window: &Window, failed: &Window| {
            window.start() <= failed.start() && failed.start() < window.end()
        };
        let failed = std::mem::take(&mut self.last);
        let (last, mut windows): (VecDeque<_>, VecDeque<_>) =
            left.partition(|window| failed.iter().any(|failed| has(window, failed)));
        windows.extend(last);
        windows
    }
}
