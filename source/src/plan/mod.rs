//! What is listed when. Pure: no clock, no I/O, no randomness.
//!
//! Time is cut into a fixed [`grid`] of cells, aligned to UTC, since the service has been seen to give blobs other ids
//! when windows have other borders. A cycle lists, oldest first, every cell
//!
//! * from the cursor to now: what has never been listed (first run, resume after a stop);
//! * of the look-back: blobs become visible after their `contentCreated`;
//! * of the whole retention, if a sweep is due: some become visible days later.
//!
//! Everything below the **cursor** has been listed completely at least once since [`Progress::origin`], or is named
//! as a [`Gap`]. A cell that cannot be listed holds the cursor back, but not the cells behind it.

#![warn(clippy::wildcard_enum_match_arm)]

pub(crate) mod grid;
pub(crate) mod pages;

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::types::Window;

/// The service lists this far back, and not a second more.
pub(crate) const SERVICE_RETENTION: TimeDelta = TimeDelta::hours(168);
/// Requests take time and clocks differ: the distance that is kept from the service's limit.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// How far the margin may grow when the service refuses the oldest window nevertheless.
const MAX_MARGIN: TimeDelta = TimeDelta::hours(4);

/// The numbers that rule a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlanSettings {
    /// Size of a cell: divides a day.
    pub(crate) cell: TimeDelta,
    /// How far back is listed at most.
    pub(crate) retention: TimeDelta,
    /// How far back the first run goes.
    pub(crate) initial: TimeDelta,
    /// What every cycle lists again.
    pub(crate) lookback: TimeDelta,
    /// How often everything is listed again.
    pub(crate) sweep_interval: TimeDelta,
    /// Nothing but this is listed, if it is set: from the first instant to before the second.
    pub(crate) range: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// What the ledger remembers of a feed's plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Start of the first run: nothing before is ever listed.
    pub origin: DateTime<Utc>,
    /// Everything from the origin to here has been listed, or is a gap.
    pub cursor: DateTime<Utc>,
    /// When the last complete sweep began.
    pub last_sweep: Option<DateTime<Utc>>,
}

/// A span that cannot be listed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Time for a cycle.
    Poll {
        /// Everything, whether a sweep is due or not.
        sweep: bool,
    },
    /// All pages of the window are here.
    Listed,
    /// The window holds more than one listing should.
    TooMuch,
    /// The service does not accept the window.
    Refused,
    /// The window cannot be listed now; the others may.
    Skip,
    /// Nothing can be listed now.
    Abort,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Remember a loss.
    Gap(Gap),
    /// Remember the progress; together with the blobs of the window, if it follows [`Input::Listed`].
    Save(Progress),
    /// List this window.
    List(Window),
    /// The cycle is over.
    Done {
        /// Everything planned was listed.
        complete: bool,
    },
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Planner {
    settings: PlanSettings,
    progress: Option<Progress>,
    margin: TimeDelta,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    Idle,
    Listing(Cycle),
}

#[derive(Debug, Clone)]
struct Cycle {
    began: DateTime<Utc>,
    sweep: bool,
    current: Window,
    rest: VecDeque<Window>,
    /// Start of the oldest window that could not be listed.
    blocked: Option<DateTime<Utc>>,
}

/// The oldest instant that may be listed now.
pub(crate) fn oldest(retention: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    floor(retention, MARGIN, now)
}

fn floor(retention: TimeDelta, margin: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    grid::round_up((now - retention).max(now - SERVICE_RETENTION + margin))
}

impl Planner {
    /// A plan that goes on where the ledger says.
    pub(crate) fn new(settings: PlanSettings, progress: Option<Progress>) -> Self {
        Self {
            settings,
            progress,
            margin: MARGIN,
            phase: Phase::Idle,
        }
    }

    /// One step: see [`Input`] and [`Effect`]. An input that does not fit the phase changes nothing.
    pub(crate) fn step(&mut self, input: Input, now: DateTime<Utc>) -> Vec<Effect> {
        match (std::mem::replace(&mut self.phase, Phase::Idle), input) {
            (Phase::Idle, Input::Poll { sweep }) => self.begin(sweep, now),
            (Phase::Listing(cycle), Input::Listed) => self.listed(cycle),
            (Phase::Listing(cycle), Input::TooMuch) => self.halve(cycle),
            (Phase::Listing(cycle), Input::Refused) => self.refused(cycle, now),
            (Phase::Listing(cycle), Input::Skip) => self.skip(cycle),
            (Phase::Listing(_), Input::Abort) => vec![Effect::Done { complete: false }],
            (
                phase,
                Input::Poll { .. }
                | Input::Listed
                | Input::TooMuch
                | Input::Refused
                | Input::Skip
                | Input::Abort,
            ) => {
                self.phase = phase;
                Vec::new()
            }
        }
    }

    /// The oldest instant that may be listed.
    fn floor(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        floor(self.settings.retention, self.margin, now)
    }

    fn begin(&mut self, sweep: bool, now: DateTime<Utc>) -> Vec<Effect> {
        let floor = self.floor(now);
        let mut effects = Vec::new();
        let known = self.progress.map(|progress| believable(progress, floor, now));
        let mut progress = known.unwrap_or_else(|| {
            let wish = match self.settings.range {
                Some((from, _)) => from,
                None => grid::round_down(now - self.settings.initial),
            };
            let origin = floor.max(wish);
            let first = Progress {
                origin,
                cursor: origin,
                last_sweep: None,
            };
            effects.push(Effect::Save(first));
            first
        });
        effects.extend(Self::fall_behind(&mut progress, floor));
        let sweep = sweep
            || progress
                .last_sweep
                .is_none_or(|last| now - last >= self.settings.sweep_interval);
        let start = if sweep {
            progress.origin
        } else {
            let lookback = grid::cell_start(now - self.settings.lookback, self.settings.cell);
            progress.cursor.min(lookback).max(progress.origin)
        };
        // The second that is now is listed too.
        let mut end = grid::round_down(now) + TimeDelta::seconds(1);
        if let Some((_, to)) = self.settings.range {
            end = end.min(to);
        }
        self.progress = Some(progress);
        let windows = grid::windows(start.max(floor), end, self.settings.cell).collect();
        effects.extend(self.next(now, sweep, windows, None));
        effects
    }

    /// What lies between the cursor and the floor is lost.
    fn fall_behind(progress: &mut Progress, floor: DateTime<Utc>) -> Vec<Effect> {
        if progress.cursor >= floor {
            return Vec::new();
        }
        let gap = Gap {
            from: progress.cursor,
            to: floor,
        };
        progress.cursor = floor;
        vec![Effect::Gap(gap), Effect::Save(*progress)]
    }

    fn listed(&mut self, cycle: Cycle) -> Vec<Effect> {
        let Some(progress) = &mut self.progress else {
            return Vec::new();
        };
        let reached = cycle.current.end().min(grid::round_down(cycle.began));
        let reached = cycle.blocked.map_or(reached, |blocked| reached.min(blocked));
        progress.cursor = progress.cursor.max(reached);
        if cycle.rest.is_empty() && cycle.sweep && cycle.blocked.is_none() {
            progress.last_sweep = Some(cycle.began);
        }
        let mut effects = vec![Effect::Save(*progress)];
        effects.extend(self.next(cycle.began, cycle.sweep, cycle.rest, cycle.blocked));
        effects
    }

    fn skip(&mut self, cycle: Cycle) -> Vec<Effect> {
        let blocked = cycle.blocked.map_or(cycle.current.start(), |blocked| {
            blocked.min(cycle.current.start())
        });
        self.next(cycle.began, cycle.sweep, cycle.rest, Some(blocked))
    }

    fn halve(&mut self, mut cycle: Cycle) -> Vec<Effect> {
        let Some((first, second)) = cycle.current.halves() else {
            return self.skip(cycle);
        };
        cycle.rest.push_front(second);
        cycle.rest.push_front(first);
        self.next(cycle.began, cycle.sweep, cycle.rest, cycle.blocked)
    }

    /// The window starts too early for the service, or is too long.
    fn refused(&mut self, mut cycle: Cycle, now: DateTime<Utc>) -> Vec<Effect> {
        let near_floor = cycle.current.start() < self.floor(now) + TimeDelta::hours(1);
        if !near_floor {
            return if cycle.current.end() - cycle.current.start() > TimeDelta::hours(1) {
                self.halve(cycle)
            } else {
                self.skip(cycle)
            };
        }
        if self.margin >= MAX_MARGIN {
            return self.skip(cycle);
        }
        self.margin += TimeDelta::hours(1);
        let floor = self.floor(now);
        let mut effects = Vec::new();
        if let Some(mut progress) = self.progress {
            effects.extend(Self::fall_behind(&mut progress, floor));
            self.progress = Some(progress);
        }
        cycle.rest.push_front(cycle.current);
        let windows = cycle
            .rest
            .into_iter()
            .filter_map(|window| Window::new(window.start().max(floor), window.end()))
            .collect();
        effects.extend(self.next(cycle.began, cycle.sweep, windows, cycle.blocked));
        effects
    }

    fn next(
        &mut self,
        began: DateTime<Utc>,
        sweep: bool,
        mut rest: VecDeque<Window>,
        blocked: Option<DateTime<Utc>>,
    ) -> Vec<Effect> {
        let Some(current) = rest.pop_front() else {
            return vec![Effect::Done {
                complete: blocked.is_none(),
            }];
        };
        self.phase = Phase::Listing(Cycle {
            began,
            sweep,
            current,
            rest,
            blocked,
        });
        vec![Effect::List(current)]
    }
}

/// Progress ahead of now was made under a wrong clock, and says nothing about what was listed: everything is listed again.
/// A small step back is common, and sweeps make up for it.
fn believable(mut progress: Progress, floor: DateTime<Utc>, now: DateTime<Utc>) -> Progress {
    let limit = now + MARGIN;
    if progress.origin > limit {
        progress.origin = floor;
    }
    if progress.cursor > limit {
        progress.cursor = floor.max(progress.origin);
        progress.last_sweep = None;
    }
    progress.last_sweep = progress.last_sweep.filter(|last| *last <= limit);
    progress
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
