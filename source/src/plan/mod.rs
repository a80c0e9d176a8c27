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
//! as a [`Gap`]. A cell that cannot be listed holds the cursor back, but not the cells behind it; the next cycle goes on
//! with what the last one could not list, and begins with what it has not asked for (see [`Round`]).

#![warn(clippy::wildcard_enum_match_arm)]

pub(crate) mod grid;
pub(crate) mod pages;
mod round;

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use self::round::Round;
use crate::types::Window;

/// The service lists this far back, and not a second more.
pub(crate) const SERVICE_RETENTION: TimeDelta = TimeDelta::hours(168);
/// Requests take time and clocks differ: the distance that is kept from the service's limit.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// Nearer than this to the limit, what has not been listed is lost. What lies between this and [`MARGIN`] is still tried:
/// it was planned in time, and may have failed since.
const BRINK: TimeDelta = TimeDelta::seconds(30);
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
        /// Windows of the plan that were not listed.
        left: usize,
    },
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Planner {
    settings: PlanSettings,
    progress: Option<Progress>,
    /// From [`BRINK`] on, wider if the service refuses what is so old.
    margin: TimeDelta,
    /// What the incomplete cycles before this one have listed.
    round: Option<Round>,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    Idle,
    Listing(Cycle),
}

#[derive(Debug, Clone)]
struct Cycle {
    sweep: bool,
    current: Window,
    rest: VecDeque<Window>,
    /// What could not be listed.
    skipped: Vec<Window>,
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
            margin: BRINK,
            round: None,
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
            (Phase::Listing(cycle), Input::Abort) => self.abort(cycle),
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

    /// The oldest instant that a new listing begins with.
    fn floor(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        floor(self.settings.retention, self.margin.max(MARGIN), now)
    }

    /// The oldest instant that a listing may begin with.
    fn brink(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let closer = MARGIN - self.margin.min(MARGIN);
        self.floor(now) - closer
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
        effects.extend(self.fall_behind(&mut progress, now));
        let sweep = sweep
            || progress
                .last_sweep
                .is_none_or(|last| now - last >= self.settings.sweep_interval);
        let lookback = grid::cell_start(now - self.settings.lookback, self.settings.cell);
        let start = if sweep {
            progress.origin
        } else {
            progress.cursor.min(lookback).max(progress.origin)
        };
        let start = start.max(floor.min(progress.cursor));
        // The second that is now is listed too.
        let mut end = grid::round_down(now) + TimeDelta::seconds(1);
        if let Some((_, to)) = self.settings.range {
            end = end.min(to);
        }
        self.progress = Some(progress);
        let windows = grid::windows(start, end, self.settings.cell);
        let round = self
            .round
            .take()
            .filter(|round| round.holds(now, self.settings.sweep_interval));
        let round = self.round.insert(round.unwrap_or_else(|| Round::new(now)));
        let windows = round.left(windows, end, lookback, now);
        effects.extend(self.next(sweep, windows, Vec::new()));
        effects
    }

    /// A cursor beyond the brink is too old: what lies between it and the floor is lost.
    fn fall_behind(&self, progress: &mut Progress, now: DateTime<Utc>) -> Vec<Effect> {
        if progress.cursor >= self.brink(now) {
            return Vec::new();
        }
        let gap = Gap {
            from: progress.cursor,
            to: self.floor(now),
        };
        progress.cursor = gap.to;
        vec![Effect::Gap(gap), Effect::Save(*progress)]
    }

    fn listed(&mut self, cycle: Cycle) -> Vec<Effect> {
        let (Some(progress), Some(round)) = (&mut self.progress, &mut self.round) else {
            return Vec::new();
        };
        round.listed(cycle.current);
        // What was neither skipped nor is to come was listed, in this cycle or in those of the round before it.
        let left = cycle.rest.iter().chain(&cycle.skipped).map(Window::start).min();
        let reached = left.map_or(round.horizon(), |left| left.min(round.horizon()));
        progress.cursor = progress.cursor.max(reached);
        if left.is_none() && cycle.sweep {
            progress.last_sweep = Some(round.began());
        }
        let mut effects = vec![Effect::Save(*progress)];
        effects.extend(self.next(cycle.sweep, cycle.rest, cycle.skipped));
        effects
    }

    fn abort(&mut self, mut cycle: Cycle) -> Vec<Effect> {
        let left = cycle.skipped.len() + 1 + cycle.rest.len();
        // If nothing was skipped, it is not the window that is to blame.
        if let Some(round) = &mut self.round
            && !cycle.skipped.is_empty()
        {
            cycle.skipped.push(cycle.current);
            round.put_last(cycle.skipped);
        }
        vec![Effect::Done { left }]
    }

    fn skip(&mut self, mut cycle: Cycle) -> Vec<Effect> {
        cycle.skipped.push(cycle.current);
        self.next(cycle.sweep, cycle.rest, cycle.skipped)
    }

    fn halve(&mut self, mut cycle: Cycle) -> Vec<Effect> {
        let Some((first, second)) = cycle.current.halves() else {
            return self.skip(cycle);
        };
        cycle.rest.push_front(second);
        cycle.rest.push_front(first);
        self.next(cycle.sweep, cycle.rest, cycle.skipped)
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
        self.margin = if self.margin < MARGIN && cycle.current.start() < self.floor(now) {
            MARGIN
        } else {
            self.margin.max(MARGIN) + TimeDelta::hours(1)
        };
        let floor = self.floor(now);
        let mut effects = Vec::new();
        if let Some(mut progress) = self.progress {
            effects.extend(self.fall_behind(&mut progress, now));
            self.progress = Some(progress);
        }
        cycle.rest.push_front(cycle.current);
        let windows = cycle
            .rest
            .into_iter()
            .filter_map(|window| Window::new(window.start().max(floor), window.end()))
            .collect();
        effects.extend(self.next(cycle.sweep, windows, cycle.skipped));
        effects
    }

    fn next(&mut self, sweep: bool, mut rest: VecDeque<Window>, skipped: Vec<Window>) -> Vec<Effect> {
        let Some(current) = rest.pop_front() else {
            let left = skipped.len();
            if left == 0 {
                self.round = None;
            }
            return vec![Effect::Done { left }];
        };
        self.phase = Phase::Listing(Cycle {
            sweep,
            current,
            rest,
            skipped,
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
#[cfg(test)]
mod unfinished;
