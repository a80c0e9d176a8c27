use proptest::prelude::*;

use super::*;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    format!("{text}Z").parse().unwrap()
}

pub(super) fn settings() -> PlanSettings {
    PlanSettings {
        cell: TimeDelta::hours(6),
        retention: TimeDelta::hours(168),
        initial: TimeDelta::hours(168),
        lookback: TimeDelta::hours(6),
        sweep_interval: TimeDelta::hours(6),
        range: None,
    }
}

/// Runs a cycle in which every window is listed; returns the windows, the progress and the gaps.
pub(super) fn cycle(
    planner: &mut Planner,
    now: DateTime<Utc>,
    sweep: bool,
) -> (Vec<Window>, Progress, Vec<Gap>) {
    let (windows, progress, gaps, complete) = cycle_with(planner, now, sweep, |_| Input::Listed);
    assert!(complete);
    (windows, progress.unwrap(), gaps)
}

pub(super) fn cycle_with(
    planner: &mut Planner,
    now: DateTime<Utc>,
    sweep: bool,
    mut answer: impl FnMut(Window) -> Input,
) -> (Vec<Window>, Option<Progress>, Vec<Gap>, bool) {
    let (mut windows, mut saved, mut gaps) = (Vec::new(), None, Vec::new());
    let mut input = Input::Poll { sweep };
    loop {
        let mut done = None;
        for effect in planner.step(input, now) {
            match effect {
                Effect::Gap(gap) => gaps.push(gap),
                Effect::Save(progress) => saved = Some(progress),
                Effect::List(window) => {
                    input = answer(window);
                    if input == Input::Listed {
                        windows.push(window);
                    }
                }
                Effect::Done { left } => done = Some(left == 0),
            }
        }
        if let Some(complete) = done {
            return (windows, saved, gaps, complete);
        }
    }
}

fn span(windows: &[Window]) -> (DateTime<Utc>, DateTime<Utc>) {
    for pair in windows.windows(2) {
        assert_eq!(pair[0].end(), pair[1].start(), "a gap or an overlap");
    }
    (windows[0].start(), windows[windows.len() - 1].end())
}

pub(super) const NOW: &str = "2026-01-15T12:34:56";

#[test]
fn the_first_run_lists_the_whole_retention_up_to_now() {
    let mut planner = Planner::new(settings(), None);
    let (windows, progress, gaps) = cycle(&mut planner, at(NOW), false);
    assert_eq!(
        span(&windows),
        (at("2026-01-08T12:39:56"), at("2026-01-15T12:34:57"))
    );
    assert_eq!(progress.cursor, at(NOW));
    assert_eq!(progress.last_sweep, Some(at(NOW)));
    assert_eq!(gaps, []);
}

#[test]
fn a_first_run_may_start_now_and_nothing_before_is_ever_listed() {
    let mut planner = Planner::new(
        PlanSettings {
            initial: TimeDelta::zero(),
            ..settings()
        },
        None,
    );
    let (windows, ..) = cycle(&mut planner, at(NOW), true);
    assert_eq!(span(&windows), (at(NOW), at("2026-01-15T12:34:57")));
    let (windows, ..) = cycle(&mut planner, at("2026-01-15T20:00:00"), true);
    assert_eq!(span(&windows), (at(NOW), at("2026-01-15T20:00:01")));
}

#[test]
fn a_range_is_listed_exactly_also_when_it_goes_on() {
    let (from, to) = (at("2026-01-12T03:04:05"), at("2026-01-13T10:00:00"));
    let ranged = PlanSettings {
        range: Some((from, to)),
        ..settings()
    };
    let mut planner = Planner::new(ranged, None);
    let (windows, progress, gaps) = cycle(&mut planner, at(NOW), true);
    assert_eq!((span(&windows), gaps), ((from, to), vec![]));
    assert_eq!(
        progress,
        Progress {
            origin: from,
            cursor: to,
            last_sweep: Some(at(NOW))
        }
    );
    let listed_in_part = Progress {
        cursor: at("2026-01-12T12:00:00"),
        last_sweep: None,
        ..progress
    };
    let (windows, ..) = cycle(&mut Planner::new(ranged, Some(listed_in_part)), at(NOW), true);
    assert_eq!(span(&windows), (from, to));
}

#[test]
fn what_a_range_loses_while_it_is_interrupted_is_a_gap() {
    let (from, to) = (at("2026-01-08T12:00:00"), at("2026-01-08T18:00:00"));
    let ranged = PlanSettings {
        range: Some((from, to)),
        ..settings()
    };
    let listed_in_part = Progress {
        origin: from,
        cursor: from,
        last_sweep: None,
    };
    let (windows, _, gaps) = cycle(&mut Planner::new(ranged, Some(listed_in_part)), at(NOW), true);
    let floor = at("2026-01-08T12:39:56");
    assert_eq!(gaps, [Gap { from, to: floor }]);
    assert_eq!(span(&windows), (floor, to));
}

#[test]
fn a_poll_lists_the_lookback_on_the_grid() {
    let mut planner = Planner::new(settings(), None);
    cycle(&mut planner, at(NOW), false);
    let (windows, progress, _) = cycle(&mut planner, at("2026-01-15T12:37:56"), false);
    assert_eq!(
        span(&windows),
        (at("2026-01-15T06:00:00"), at("2026-01-15T12:37:57"))
    );
    assert_eq!(windows.len(), 2);
    assert_eq!(progress.cursor, at("2026-01-15T12:37:56"));
}

#[test]
fn a_sweep_comes_when_it_is_due() {
    let mut planner = Planner::new(settings(), None);
    cycle(&mut planner, at(NOW), false);
    let (windows, ..) = cycle(&mut planner, at("2026-01-15T18:34:56"), false);
    assert_eq!(span(&windows).0, at("2026-01-08T18:39:56"));
}

#[test]
fn a_resume_starts_at_the_cursor() {
    let progress = Progress {
        origin: at("2026-01-10T00:00:00"),
        cursor: at("2026-01-14T03:04:05"),
        last_sweep: Some(at("2026-01-15T12:00:00")),
    };
    let mut planner = Planner::new(settings(), Some(progress));
    let (windows, ..) = cycle(&mut planner, at(NOW), false);
    assert_eq!(span(&windows).0, at("2026-01-14T03:04:05"));
}

#[test]
fn a_downtime_beyond_the_retention_is_a_named_gap() {
    let progress = Progress {
        origin: at("2026-01-01T00:00:00"),
        cursor: at("2026-01-07T00:00:00"),
        last_sweep: None,
    };
    let mut planner = Planner::new(settings(), Some(progress));
    let (windows, _, gaps) = cycle(&mut planner, at(NOW), false);
    let floor = at("2026-01-08T12:39:56");
    assert_eq!(
        gaps,
        [Gap {
            from: at("2026-01-07T00:00:00"),
            to: floor
        }]
    );
    assert_eq!(span(&windows).0, floor);
}

#[test]
fn a_cell_that_fails_holds_the_cursor_but_not_the_others() {
    let mut planner = Planner::new(settings(), None);
    let bad = at("2026-01-10T06:00:00");
    let mut tried = 0;
    let (_, progress, _, complete) = cycle_with(&mut planner, at(NOW), false, |window| {
        tried += 1;
        if window.start() == bad {
            Input::Skip
        } else {
            Input::Listed
        }
    });
    let progress = progress.unwrap();
    assert!(!complete && tried == 29, "{tried}");
    assert_eq!((progress.cursor, progress.last_sweep), (bad, None));
    // The next cycle lists it again.
    let (_, progress, _) = cycle(&mut planner, at(NOW), false);
    assert_eq!(progress.cursor, at(NOW));
}

#[test]
fn an_abort_keeps_what_was_listed() {
    let mut planner = Planner::new(settings(), None);
    let mut left = 3;
    let (windows, progress, _, complete) = cycle_with(&mut planner, at(NOW), false, |_| {
        left -= 1;
        if left < 0 { Input::Abort } else { Input::Listed }
    });
    assert!(!complete);
    assert_eq!(progress.unwrap().cursor, windows[2].end());
}

#[test]
fn a_window_with_too_much_is_halved_until_it_fits() {
    let mut planner = Planner::new(settings(), None);
    let (windows, ..) = cycle_with(&mut planner, at(NOW), false, |window| {
        if window.end() - window.start() > TimeDelta::hours(2) {
            Input::TooMuch
        } else {
            Input::Listed
        }
    });
    span(&windows);
    assert!(
        windows
            .iter()
            .all(|window| window.end() - window.start() <= TimeDelta::hours(2))
    );
}

#[test]
fn a_refused_start_moves_the_floor_and_names_the_gap() {
    let mut planner = Planner::new(settings(), None);
    let limit = at("2026-01-08T14:00:00");
    let (windows, _, gaps, complete) = cycle_with(&mut planner, at(NOW), false, |window| {
        if window.start() < limit {
            Input::Refused
        } else {
            Input::Listed
        }
    });
    assert!(complete);
    let start = span(&windows).0;
    assert_eq!(start, at("2026-01-08T14:39:56"));
    assert_eq!(
        (gaps[0].from, gaps[gaps.len() - 1].to),
        (at("2026-01-08T12:39:56"), start)
    );
}

#[test]
fn a_window_that_is_always_refused_ends_the_cycle() {
    let mut planner = Planner::new(settings(), None);
    let (windows, _, _, complete) = cycle_with(&mut planner, at(NOW), false, |_| Input::Refused);
    assert!(!complete && windows.is_empty());
}

#[test]
fn an_input_out_of_turn_changes_nothing() {
    let mut planner = Planner::new(settings(), None);
    assert_eq!(planner.step(Input::Listed, at(NOW)), []);
    planner.step(Input::Poll { sweep: false }, at(NOW));
    assert_eq!(planner.step(Input::Poll { sweep: false }, at(NOW)), []);
}

/// A clock that was a month ahead for one cycle must not keep sweeps away for a month.
#[test]
fn progress_from_the_future_is_not_believed() {
    let future = at("2026-02-15T12:00:00");
    let wrong = Progress {
        origin: at("2026-01-01T00:00:00"),
        cursor: future,
        last_sweep: Some(future),
    };
    let mut planner = Planner::new(settings(), Some(wrong));
    let (windows, progress, gaps) = cycle(&mut planner, at(NOW), false);
    assert_eq!(span(&windows).0, at("2026-01-08T12:39:56"));
    assert_eq!((progress.cursor, progress.last_sweep), (at(NOW), Some(at(NOW))));
    assert_eq!(gaps, []);
}

proptest! {
    /// Whatever fails and whenever we stop: what lies below the cursor has been listed, or is a gap.
    #[test]
    fn everything_below_the_cursor_was_listed(
        cycles in proptest::collection::vec((1_i64..500_000, proptest::collection::vec(0_u8..12, 1..40), any::<bool>()), 1..8),
        lookback in 0_i64..48,
        cell in 1_i64..400,
    ) {
        let settings = PlanSettings {
            cell: grid::cell_size(TimeDelta::minutes(cell.max(60))),
            lookback: TimeDelta::hours(lookback),
            ..settings()
        };
        let mut now = at(NOW);
        let mut saved: Option<Progress> = None;
        let mut covered: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
        for (pause, script, restart) in cycles {
            now += TimeDelta::seconds(pause);
            let mut planner = Planner::new(settings, saved);
            for _ in 0..=usize::from(!restart) {
                let mut answers = script.iter().cycle();
                let (windows, progress, gaps, _) = cycle_with(&mut planner, now, false, |_| match answers.next() {
                    Some(0) => Input::Skip,
                    Some(1) => Input::TooMuch,
                    Some(2) => Input::Abort,
                    _ => Input::Listed,
                });
                covered.extend(windows.iter().map(|window| (window.start(), window.end())));
                covered.extend(gaps.iter().map(|gap| (gap.from, gap.to)));
                if let Some(progress) = progress {
                    prop_assert!(saved.is_none_or(|before| before.cursor <= progress.cursor));
                    prop_assert!(progress.cursor <= now);
                    saved = Some(progress);
                }
            }
        }
        let progress = saved.unwrap();
        covered.sort();
        let mut reached = progress.origin;
        for (from, to) in covered {
            if from > reached {
                break;
            }
            reached = reached.max(to);
        }
        prop_assert!(reached >= progress.cursor, "listed to {reached}, but the cursor is at {}", progress.cursor);
    }
}
