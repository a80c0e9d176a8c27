//! How long to wait before trying again. Randomness is an argument, so that tests know what comes.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A small source of randomness for jitter (splitmix64), shared by reference. Not for secrets.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// Different in every process.
    pub fn random() -> Self {
        Self::seeded(RandomState::new().build_hasher().finish())
    }

    /// The same sequence for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        let mut z = self
            .0
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A duration between `from` and `to`.
    pub fn between(&self, from: Duration, to: Duration) -> Duration {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        from + to.saturating_sub(from).mul_f64(unit)
    }
}

/// Exponential growth from `base` to `cap`, of which a wait takes between a half and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, at most.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Backoff {
    /// From and to so many seconds.
    pub const fn secs(base: u64, cap: u64) -> Self {
        Self {
            base: Duration::from_secs(base),
            cap: Duration::from_secs(cap),
        }
    }

    /// The wait after the `failures`-th failure in a row (from 1). The service's own wish is a lower bound, but not
    /// beyond an hour.
    pub fn wait(&self, failures: u32, retry_after: Option<Duration>, jitter: &Jitter) -> Duration {
        let factor = 1_u32 << failures.saturating_sub(1).min(20);
        let full = self.base.saturating_mul(factor).min(self.cap);
        let own = jitter.between(full / 2, full);
        match retry_after {
            Some(wish) => own.max(wish.min(Duration::from_hours(1))),
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stays_in_bounds(failures in 0_u32..100, seed: u64, wish in proptest::option::of(0_u64..10_000)) {
            let backoff = Backoff::secs(1, 300);
            let wish = wish.map(Duration::from_secs);
            let wait = backoff.wait(failures, wish, &Jitter::seeded(seed));
            prop_assert!(wait >= Duration::from_millis(500));
            prop_assert!(wait <= Duration::from_mins(5).max(wish.unwrap_or_default()));
            prop_assert!(wait <= Duration::from_hours(1));
        }
    }

    #[test]
    fn grows() {
        let backoff = Backoff::secs(1, 300);
        let wait = |failures| backoff.wait(failures, None, &Jitter::seeded(7));
        assert!(wait(1) < wait(3) && wait(3) < wait(8));
    }
}
