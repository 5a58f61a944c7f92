//! How long things take, counted without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets in microseconds: six a decade, from 0.1 ms to 1,000 s. One more bucket holds the rest.
const BOUNDS: [u64; 43] = [
    100,
    150,
    200,
    300,
    500,
    700,
    1_000,
    1_500,
    2_000,
    3_000,
    5_000,
    7_000,
    10_000,
    15_000,
    20_000,
    30_000,
    50_000,
    70_000,
    100_000,
    150_000,
    200_000,
    300_000,
    500_000,
    700_000,
    1_000_000,
    1_500_000,
    2_000_000,
    3_000_000,
    5_000_000,
    7_000_000,
    10_000_000,
    15_000_000,
    20_000_000,
    30_000_000,
    50_000_000,
    70_000_000,
    100_000_000,
    150_000_000,
    200_000_000,
    300_000_000,
    500_000_000,
    700_000_000,
    1_000_000_000,
];

/// Counts of durations since the start.
pub(crate) struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds.
    sum: AtomicU64,
}

/// What a [`Histogram`] held at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    counts: Vec<u64>,
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
        }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Histogram")
            .field(&self.snapshot().count())
            .finish()
    }
}

impl Histogram {
    pub(crate) fn observe(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// Observes what has passed since a moment of the wall clock, in milliseconds; nothing where that clock was set back.
    pub(crate) fn observe_since(&self, then_ms: i64, now_ms: i64) {
        if let Ok(span) = u64::try_from(now_ms.saturating_sub(then_ms)) {
            self.observe(Duration::from_millis(span));
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl Snapshot {
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        Duration::from_micros(self.sum).as_secs_f64()
    }

    /// Bounds in seconds with the number of observations up to each: three a decade, which is what is kept for long.
    pub(super) fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut below = 0;
        let mut rows = Vec::new();
        for (bound, count) in BOUNDS.iter().zip(&self.counts) {
            below += count;
            let lead = std::iter::successors(Some(*bound), |bound| (bound % 10 == 0).then_some(bound / 10));
            if matches!(lead.last(), Some(1 | 2 | 5)) {
                rows.push((Duration::from_micros(*bound).as_secs_f64(), below));
            }
        }
        rows
    }

    /// What came since an earlier moment.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts);
        Self {
            counts: counts.map(|(now, then)| now.saturating_sub(*then)).collect(),
            sum: self.sum.saturating_sub(earlier.sum),
        }
    }

    /// The duration in milliseconds that a share of the observations stays within, as near as the buckets tell it; `None`
    /// without observations.
    pub(super) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let rank = (share * all as f64).max(1.0);
        let mut below = 0.0;
        for (at, count) in self.counts.iter().enumerate() {
            let count = *count as f64;
            if below + count >= rank {
                let low = at
                    .checked_sub(1)
                    .and_then(|at| BOUNDS.get(at))
                    .copied()
                    .unwrap_or(0);
                let high = BOUNDS.get(at).copied().unwrap_or(low);
                let inside = (rank - below) / count;
                let micros = low as f64 + (high - low) as f64 * inside;
                return Some((micros / 10.0).round() / 100.0);
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_exactly_one_bucket_and_in_the_sum() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 999_999, 1_000_000, 1_000_000_001, 9_000_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let seen = histogram.snapshot();
        assert_eq!(seen.count(), 7);
        let rows = seen.cumulative();
        assert_eq!(rows.first(), Some(&(0.0001, 2)));
        assert_eq!(rows.last(), Some(&(1_000.0, 5)));
        assert!(
            rows.iter()
                .zip(rows.iter().skip(1))
                .all(|(one, next)| one.0 < next.0 && one.1 <= next.1)
        );
        assert_eq!(rows.len(), 22);
        assert!(
            (seen.sum_seconds() - 10_002.000_201).abs() < 0.001,
            "{}",
            seen.sum_seconds()
        );
    }

    #[test]
    fn quantiles_are_as_near_as_the_buckets() {
        let histogram = Histogram::default();
        assert_eq!(histogram.snapshot().quantile_ms(0.5), None);
        (0..100).for_each(|n| histogram.observe(Duration::from_millis(n + 1)));
        let seen = histogram.snapshot();
        let near = |share, ms: f64| {
            let told = seen.quantile_ms(share).unwrap();
            assert!((told - ms).abs() <= ms * 0.1, "{told} instead of {ms}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        let before = seen.clone();
        histogram.observe(Duration::from_secs(3));
        let later = histogram.snapshot().since(&before);
        assert_eq!(later.count(), 1);
        assert!(
            later
                .quantile_ms(0.5)
                .is_some_and(|ms| (2_000.0..=3_000.0).contains(&ms))
        );
    }

    #[test]
    fn a_clock_that_was_set_back_is_no_duration() {
        let histogram = Histogram::default();
        histogram.observe_since(2_000, 1_000);
        assert_eq!(histogram.snapshot().count(), 0);
        histogram.observe_since(1_000, 1_250);
        assert_eq!(histogram.snapshot().count(), 1);
    }
}
