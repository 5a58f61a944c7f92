//! How long to wait before the next attempt.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Exponential backoff with jitter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row (1 at least): it doubles from `first` to `longest`, of which
    /// `chance` (0 to 1) decides the upper half.
    pub(crate) fn wait(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// A number from 0 to 1 from the system's entropy.
pub(crate) fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_to_the_longest_and_stay_above_half_of_it(failures in 0..100u32, chance in 0.0..1.0f64) {
            let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
            let wait = backoff.wait(failures, chance);
            prop_assert!(wait >= Duration::from_millis(500) && wait <= backoff.longest);
            prop_assert!(backoff.wait(failures + 1, chance) >= wait);
            if failures > 6 {
                prop_assert!(wait >= Duration::from_secs(30));
            }
        }
    }

    #[test]
    fn chance_is_a_fraction() {
        assert!(
            (0..1000)
                .map(|_| chance())
                .all(|chance| (0.0..1.0).contains(&chance))
        );
    }
}
