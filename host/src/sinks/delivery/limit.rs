//! How many requests go on at a time.
//!
//! Adaptive: one more while all of them are in use and answers do not take longer for it, a tenth fewer when the server says
//! that it has too much to do, when it does not answer, or when answers take twice as long as they did at their best. It is
//! the rule by which TCP shares a line (additive increase, multiplicative decrease), with the time of an answer as the sign of a
//! queue, as in Vector's adaptive request concurrency.

use std::time::Duration;

use super::{
    Done,
    options::{Concurrency, MOST},
};

/// An answer that takes so much longer than the best is one that waited for others.
const LONGER: f64 = 2.0;
/// What is left after too much.
const FEWER: f64 = 0.9;
/// After so many rounds, each of as many answers as there are requests at a time, the best time is looked for anew with half of
/// the requests: the server may have become faster or slower, and only one that has no queue shows its best.
const ERA: f64 = 300.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Limit {
    fixed: Option<usize>,
    /// Between 1 and [`MOST`].
    current: f64,
    /// Seconds that the fastest answer took, in this era and in the one before.
    best: [f64; 2],
    /// Rounds of this era.
    rounds: f64,
}

impl Limit {
    pub(super) fn new(concurrency: Concurrency) -> Self {
        let fixed = match concurrency {
            Concurrency::Adaptive => None,
            Concurrency::Fixed(number) => usize::try_from(number.get()).ok(),
        };
        Self {
            fixed,
            current: 1.0,
            best: [f64::INFINITY; 2],
            rounds: 0.0,
        }
    }

    /// Requests that may go on now; at least 1.
    pub(super) fn get(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 1 and 1000"
        )]
        self.fixed.unwrap_or(self.current as usize)
    }

    /// Learns from a request that has ended, when so many were going on.
    pub(super) fn observe(&mut self, done: Done, at_a_time: usize) {
        let Some(took) = done.took else {
            return;
        };
        let took = took.max(Duration::from_micros(1)).as_secs_f64();
        let [now, before] = &mut self.best;
        *now = now.min(took);
        let best = now.min(*before);
        if done.overloaded || took > best * LONGER {
            self.current = (self.current * FEWER).max(1.0);
        } else if at_a_time >= self.get() {
            // One more after as many answers as there are requests at a time: once for each round.
            self.current = (self.current + 1.0 / self.current).min(f64::from(MOST));
        }
        self.rounds += 1.0 / self.current;
        if self.rounds >= ERA {
            self.rounds = 0.0;
            self.best = [f64::INFINITY, self.best[0]];
            self.current = (self.current / 2.0).max(1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn done(millis: u64, overloaded: bool) -> Done {
        Done {
            took: Some(Duration::from_millis(millis)),
            overloaded,
            too_large: None,
        }
    }

    /// After so many rounds with a server that answers in 10 ms, to `parallel` requests at a time.
    fn after(limit: &mut Limit, rounds: usize, parallel: u64) {
        for _ in 0..rounds {
            let at_a_time = limit.get();
            let took = 10 * (at_a_time as u64).div_ceil(parallel);
            (0..at_a_time).for_each(|_| limit.observe(done(took, false), at_a_time));
        }
    }

    #[test]
    fn finds_how_many_a_server_answers_at_a_time() {
        for parallel in [1, 4, 20, 100] {
            let mut limit = Limit::new(Concurrency::Adaptive);
            assert_eq!(limit.get(), 1);
            // In the long run: the mean of many rounds.
            after(&mut limit, 200, parallel);
            let rounds = 600;
            let found: usize = (0..rounds)
                .map(|_| {
                    after(&mut limit, 1, parallel);
                    limit.get()
                })
                .sum();
            let found = (found / rounds) as u64;
            assert!(
                (parallel * 2 / 3..=parallel * 3).contains(&found),
                "{found} for {parallel}"
            );
        }
    }

    #[test]
    fn gives_way_to_a_server_that_has_too_much_to_do() {
        let mut limit = Limit::new(Concurrency::Adaptive);
        after(&mut limit, 50, 100);
        let before = limit.get();
        limit.observe(done(10, true), before);
        assert!(limit.get() < before);
        (0..100).for_each(|_| limit.observe(done(10, true), 1));
        assert_eq!(limit.get(), 1);
        // And finds its way back, also when answers take longer than ever from now on.
        for _ in 0..1_000 {
            let at_a_time = limit.get();
            (0..at_a_time).for_each(|_| limit.observe(done(50, false), at_a_time));
        }
        assert!(limit.get() > 10, "{}", limit.get());
    }

    #[test]
    fn does_not_grow_when_it_is_not_used() {
        let mut limit = Limit::new(Concurrency::Adaptive);
        after(&mut limit, 5, 100);
        let before = limit.get();
        (0..500).for_each(|_| limit.observe(done(10, false), 1));
        assert_eq!(limit.get(), before);
    }

    #[test]
    fn a_fixed_one_stays() {
        let mut limit = Limit::new(Concurrency::Fixed(NonZeroU32::new(7).unwrap()));
        limit.observe(done(10, true), 7);
        assert_eq!(limit.get(), 7);
    }
}
