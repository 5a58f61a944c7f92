//! How much of what it was not asked for a child may tell in a time.

use std::time::{Duration, Instant};

/// Frames and lines that a child may tell at once.
const BURST: f64 = 4_000.0;
/// And in a second from then on.
const RATE: f64 = 2_000.0;

/// Longer ones count for more.
const STEP: usize = 1024;

/// A bucket of tokens. Empty means *wait*: the child is read on later, and stands still meanwhile.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    since: Instant,
}

impl Bucket {
    pub(super) fn full(now: Instant) -> Self {
        Self {
            tokens: BURST,
            since: now,
        }
    }

    /// Takes a token, and one more for each [`STEP`] bytes, and says how long to wait for them.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        let tokens = 1.0 + (bytes / STEP) as f64;
        self.tokens = (self.tokens + passed * RATE).min(BURST) - tokens;
        (self.tokens < 0.0).then(|| Duration::from_secs_f64(-self.tokens / RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        assert!((0..4_000).all(|_| bucket.take(start, 100).is_none()));
        let waits: Vec<Duration> = (0..2_000).filter_map(|_| bucket.take(start, 100)).collect();
        assert_eq!(waits.len(), 2_000);
        assert!((waits[1_999].as_secs_f64() - 1.0).abs() < 0.01);
        let later = start + Duration::from_secs(10);
        assert!(bucket.take(later, 100).is_none());
    }
}
