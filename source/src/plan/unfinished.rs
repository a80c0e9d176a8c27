//! Cycles that follow one that could not list everything.

use super::{
    tests::{NOW, at, cycle, cycle_with, settings},
    *,
};

/// Or hardly any cycle would be complete while three in ten requests fail.
#[test]
fn a_cycle_goes_on_with_what_the_last_one_could_not_list() {
    let mut planner = Planner::new(settings(), None);
    let bad = [at("2026-01-10T06:00:00"), at("2026-01-12T00:00:00")];
    let fails = |window: Window| {
        if bad.contains(&window.start()) {
            Input::Skip
        } else {
            Input::Listed
        }
    };
    let (windows, ..) = cycle_with(&mut planner, at(NOW), true, fails);
    assert_eq!(windows.len(), 27);
    let (windows, progress, _) = cycle(&mut planner, at("2026-01-15T12:34:58"), true);
    let starts: Vec<_> = windows.iter().map(Window::start).collect();
    assert_eq!(starts, bad);
    // Both cycles together are one sweep, that began with the first.
    assert_eq!((progress.cursor, progress.last_sweep), (at(NOW), Some(at(NOW))));
    // A sweep after that is a sweep.
    let (windows, ..) = cycle(&mut planner, at("2026-01-15T12:35:00"), true);
    assert_eq!(windows.len(), 29);
}

#[test]
fn a_later_cycle_lists_the_lookback_and_what_is_new_besides() {
    let mut planner = Planner::new(settings(), None);
    let bad = at("2026-01-10T06:00:00");
    let fails = |window: Window| {
        if window.start() == bad {
            Input::Skip
        } else {
            Input::Listed
        }
    };
    cycle_with(&mut planner, at(NOW), true, fails);
    let (windows, progress, _) = cycle(&mut planner, at("2026-01-15T12:38:00"), true);
    let starts: Vec<_> = windows.iter().map(Window::start).collect();
    assert_eq!(
        starts,
        [bad, at("2026-01-15T06:00:00"), at("2026-01-15T12:00:00")]
    );
    assert_eq!(
        (progress.cursor, progress.last_sweep),
        (at("2026-01-15T12:38:00"), Some(at(NOW)))
    );
}

/// Three that fail in a row end a cycle, as in an outage.
#[test]
fn windows_that_always_fail_do_not_keep_the_others_from_being_listed() {
    let bad = [
        at("2026-01-09T00:00:00"),
        at("2026-01-09T06:00:00"),
        at("2026-01-09T12:00:00"),
    ];
    let mut planner = Planner::new(settings(), None);
    let mut listed = Vec::new();
    let mut asked = 0;
    let mut now = at(NOW);
    for _ in 0..2 {
        let mut in_a_row = 0;
        let (windows, progress, ..) = cycle_with(&mut planner, now, true, |window| {
            asked += 1;
            if !bad.contains(&window.start()) {
                in_a_row = 0;
                listed.push(window.start());
                return Input::Listed;
            }
            in_a_row += 1;
            if in_a_row > 2 { Input::Abort } else { Input::Skip }
        });
        assert!(!windows.is_empty());
        assert_eq!(progress.unwrap().cursor, bad[0], "it is held back");
        now += TimeDelta::seconds(2);
    }
    assert_eq!((listed.len(), asked), (29 - bad.len(), 29 + bad.len()));
    // Once they can be listed, all is well.
    let (windows, progress, _) = cycle(&mut planner, now, true);
    let starts: Vec<_> = windows.iter().map(Window::start).collect();
    assert_eq!(
        (starts, progress.cursor),
        (bad.to_vec(), at(NOW) + TimeDelta::seconds(2))
    );
}

/// It was planned in time: the margin is there for that.
#[test]
fn a_first_window_that_fails_for_some_minutes_is_no_gap() {
    let mut planner = Planner::new(settings(), None);
    let origin = at("2026-01-08T12:39:56");
    let fails = |window: Window| {
        if window.start() == origin {
            Input::Skip
        } else {
            Input::Listed
        }
    };
    let (.., gaps, complete) = cycle_with(&mut planner, at(NOW), true, fails);
    assert!(!complete && gaps.is_empty());
    let (windows, _, gaps) = cycle(&mut planner, at("2026-01-15T12:39:20"), true);
    assert_eq!((windows[0].start(), gaps), (origin, vec![]));
}

#[test]
fn a_first_window_that_fails_for_longer_is_a_gap_up_to_the_margin() {
    let mut planner = Planner::new(settings(), None);
    let origin = at("2026-01-08T12:39:56");
    cycle_with(&mut planner, at(NOW), true, |_| Input::Abort);
    let (windows, _, gaps) = cycle(&mut planner, at("2026-01-15T12:39:30"), true);
    let floor = at("2026-01-08T12:44:30");
    assert_eq!(
        gaps,
        [Gap {
            from: origin,
            to: floor
        }]
    );
    assert_eq!(windows[0].start(), floor);
}

/// The property tests found it: the seconds between the two cycles lie in a cell that has ended meanwhile.
#[test]
fn the_seconds_before_a_new_cell_are_listed_too() {
    let mut planner = Planner::new(settings(), None);
    let bad = at("2026-01-10T06:00:00");
    let fails = |window: Window| {
        if window.start() == bad {
            Input::Skip
        } else {
            Input::Listed
        }
    };
    cycle_with(&mut planner, at("2026-01-15T11:59:40"), true, fails);
    let (windows, progress, _) = cycle(&mut planner, at("2026-01-15T12:00:10"), true);
    let starts: Vec<_> = windows.iter().map(Window::start).collect();
    assert_eq!(starts, [bad, at("2026-01-15T06:00:00")]);
    assert_eq!(windows[1].end(), progress.cursor);
}
