//! The fixed grid of windows.

use chrono::{DateTime, TimeDelta, Utc};

use crate::types::Window;

/// Cell sizes, largest first: divisors of a day, so that the grid is the same every day.
///
/// Six hours at most, since a listing of a busy tenant should stay a matter of pages and not of minutes.
const CELL_MINUTES: [i64; 11] = [360, 240, 180, 120, 60, 30, 20, 15, 10, 5, 1];

/// The largest cell that is not longer than `max`.
pub(crate) fn cell_size(max: TimeDelta) -> TimeDelta {
    CELL_MINUTES
        .into_iter()
        .map(TimeDelta::minutes)
        .find(|cell| *cell <= max)
        .unwrap_or(TimeDelta::minutes(1))
}

/// Start of the cell that an instant lies in.
pub(crate) fn cell_start(instant: DateTime<Utc>, cell: TimeDelta) -> DateTime<Utc> {
    let size = cell.num_seconds().max(1);
    at(instant.timestamp().div_euclid(size) * size)
}

/// The second that an instant lies in.
pub(crate) fn round_down(instant: DateTime<Utc>) -> DateTime<Utc> {
    at(instant.timestamp())
}

/// The first whole second that is not before an instant.
pub(crate) fn round_up(instant: DateTime<Utc>) -> DateTime<Utc> {
    let second = round_down(instant);
    if second == instant {
        second
    } else {
        second + TimeDelta::seconds(1)
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The cells of a span, oldest first; the first and the last are cut to the span. Bounds are whole seconds.
pub(crate) fn windows(
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    cell: TimeDelta,
) -> impl Iterator<Item = Window> {
    let mut next = start;
    std::iter::from_fn(move || {
        let border = (cell_start(next, cell) + cell).min(end);
        let window = Window::new(next, border)?;
        next = border;
        Some(window)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cell_divides_the_day_and_respects_the_limit() {
        for (max, expect) in [
            (1_440, 360),
            (360, 360),
            (359, 240),
            (90, 60),
            (59, 30),
            (1, 1),
            (0, 1),
        ] {
            let cell = cell_size(TimeDelta::minutes(max));
            assert_eq!(cell.num_minutes(), expect, "{max}");
            assert_eq!(1_440 % cell.num_minutes(), 0);
        }
    }

    proptest! {
        #[test]
        fn windows_cover_a_span_without_gap_or_overlap(
            start in 0_i64..4_000_000_000,
            length in 0_i64..700_000,
            max in 1_i64..1_500,
        ) {
            let cell = cell_size(TimeDelta::minutes(max));
            // A week of minutes is 10,080 windows: enough.
            let end = at(start + length);
            let mut reached = at(start);
            for window in windows(at(start), end, cell) {
                prop_assert_eq!(window.start(), reached);
                prop_assert!(window.end() - window.start() <= cell);
                // Inner borders lie on the grid.
                prop_assert!(window.end() == end || cell_start(window.end(), cell) == window.end());
                reached = window.end();
            }
            prop_assert_eq!(reached, end.max(at(start)));
        }
    }
}
