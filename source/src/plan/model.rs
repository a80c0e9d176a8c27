//! The planner against a service that makes blobs visible late, under a clock that jumps, with crashes at any step.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_768_480_496;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// A blob of the service, in seconds of the true time.
#[derive(Debug, Clone)]
struct Blob {
    created: i64,
    visible: i64,
    listed: bool,
}

#[derive(Debug, Clone)]
struct Step {
    /// Seconds that truly pass before the cycle.
    pause: i64,
    /// How far our clock is ahead during the cycle.
    skew: i64,
    sweep: bool,
    /// What becomes of each listing, in turn.
    answers: Vec<u8>,
    /// The process ends after that many answers.
    crash: Option<usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let skew = prop_oneof![6 => Just(0_i64), 2 => -600_i64..600, 1 => -3_000_000_i64..3_000_000];
    (
        prop_oneof![2 => 1_i64..90, 4 => 1_i64..40_000, 1 => 1_i64..900_000],
        skew,
        any::<bool>(),
        proptest::collection::vec(0_u8..14, 1..30),
        proptest::option::weighted(0.3, 0_usize..40),
    )
        .prop_map(|(pause, skew, sweep, answers, crash)| Step {
            pause,
            skew,
            sweep,
            answers,
            crash,
        })
}

fn settings() -> impl Strategy<Value = PlanSettings> {
    (60_i64..400, 6_i64..200, 0_i64..200, 0_i64..48, 1_i64..48).prop_map(
        |(cell, retention, initial, lookback, sweep)| PlanSettings {
            range: None,
            cell: grid::cell_size(TimeDelta::minutes(cell)),
            retention: TimeDelta::hours(retention),
            initial: TimeDelta::hours(initial),
            lookback: TimeDelta::hours(lookback),
            sweep_interval: TimeDelta::hours(sweep),
        },
    )
}

/// What the ledger and the service know after some cycles.
#[derive(Debug, Default)]
struct World {
    saved: Option<Progress>,
    listed: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    gaps: Vec<Gap>,
    blobs: Vec<Blob>,
}

impl World {
    /// Runs one cycle. Returns false if the process ended within it.
    fn cycle(&mut self, planner: &mut Planner, step: &Step, truth: i64) -> Result<bool, TestCaseError> {
        let now = at(truth + step.skew);
        let mut answers = step.answers.iter().cycle();
        let mut input = Input::Poll { sweep: step.sweep };
        let mut current: Option<Window> = None;
        for count in 0..100_000 {
            if step.crash == Some(count) {
                return Ok(false);
            }
            if input == Input::Listed
                && let Some(window) = current
            {
                self.listed.push((window.start(), window.end()));
                for blob in &mut self.blobs {
                    let inside = window.start() <= at(blob.created) && at(blob.created) < window.end();
                    blob.listed |= inside && blob.visible <= truth;
                }
            }
            let mut next = None;
            for effect in planner.step(input, now) {
                match effect {
                    Effect::Gap(gap) => {
                        prop_assert!(gap.from < gap.to);
                        self.gaps.push(gap);
                    }
                    Effect::Save(progress) => {
                        prop_assert!(progress.origin <= progress.cursor);
                        self.saved = Some(progress);
                    }
                    Effect::List(window) => {
                        prop_assert!(window.end() - window.start() <= planner.settings.cell);
                        prop_assert_eq!(
                            (
                                window.start().timestamp_subsec_nanos(),
                                window.end().timestamp_subsec_nanos()
                            ),
                            (0, 0)
                        );
                        prop_assert!(window.start() >= planner.brink(now), "starts before the brink");
                        prop_assert!(window.end() <= now + TimeDelta::seconds(1));
                        next = Some(window);
                    }
                    Effect::Done { .. } => return Ok(true),
                }
            }
            prop_assert!(next.is_some(), "neither a window nor an end");
            current = next;
            input = match answers.next() {
                Some(0) => Input::Skip,
                Some(1) => Input::TooMuch,
                Some(2) => Input::Abort,
                Some(3) => Input::Refused,
                _ => Input::Listed,
            };
        }
        Err(TestCaseError::fail("the cycle does not end"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After any history, with the clock right again: two sweep intervals later every blob that the service still lists
    /// has been listed.
    #[test]
    fn every_blob_is_listed_once_the_clock_is_right(
        settings in settings(),
        blobs in proptest::collection::vec((-300_000_i64..2_000_000, prop_oneof![Just(0_i64), 0_i64..400_000]), 1..30),
        steps in proptest::collection::vec(step(), 1..10),
    ) {
        let mut truth = NOW;
        let mut world = World {
            blobs: blobs
                .into_iter()
                .map(|(created, late)| Blob { created: NOW + created, visible: NOW + created + late, listed: false })
                .collect(),
            ..World::default()
        };
        let mut planner = Planner::new(settings, None);
        for step in &steps {
            truth += step.pause;
            if !world.cycle(&mut planner, step, truth)? {
                planner = Planner::new(settings, world.saved);
            }
        }
        // The clock is right and the service is well from now on. Two sweep intervals, since the first cycle cannot tell
        // progress that a wrong clock made from its own once time has caught up with it.
        let quiet = Step { pause: 0, skew: 0, sweep: false, answers: vec![9], crash: None };
        planner = Planner::new(settings, world.saved);
        for _ in 0..2 {
            truth += (settings.sweep_interval + MARGIN).num_seconds();
            prop_assert!(world.cycle(&mut planner, &quiet, truth)?);
        }
        let progress = world.saved.unwrap();
        let (origin, floor) = (progress.origin, planner.floor(at(truth)));
        prop_assert!(progress.cursor <= at(truth) + MARGIN, "the cursor is ahead of the clock");
        for blob in &world.blobs {
            let held = at(blob.created) >= floor.max(origin) && blob.visible <= truth;
            prop_assert!(!held || blob.listed, "not listed: {blob:?}");
        }
    }

    /// With a clock that only goes forward: below the cursor all was listed or is a gap, no gap overlaps another, and
    /// the cursor never goes back.
    #[test]
    fn the_cursor_passes_nothing(settings in settings(), steps in proptest::collection::vec(step(), 1..10)) {
        let mut truth = NOW;
        let mut world = World::default();
        let mut planner = Planner::new(settings, None);
        for step in &steps {
            truth += step.pause;
            let step = Step { skew: 0, ..step.clone() };
            let before = world.saved;
            if !world.cycle(&mut planner, &step, truth)? {
                planner = Planner::new(settings, world.saved);
            }
            prop_assert!(before.is_none_or(|before| world.saved.is_some_and(|saved| before.cursor <= saved.cursor)));
            let Some(saved) = world.saved else { continue };
            let mut covered: Vec<_> = world.listed.clone();
            covered.extend(world.gaps.iter().map(|gap| (gap.from, gap.to)));
            covered.sort();
            let mut reached = saved.origin;
            for (from, to) in covered {
                if from > reached {
                    break;
                }
                reached = reached.max(to);
            }
            prop_assert!(reached >= saved.cursor, "the cursor is past {reached}");
            for (index, gap) in world.gaps.iter().enumerate() {
                prop_assert!(world.gaps[..index].iter().all(|known| known.to <= gap.from), "named twice");
            }
        }
    }
}
