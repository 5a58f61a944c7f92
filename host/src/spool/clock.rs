use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far a start may move the activity clock, whatever the wall clock says.
const LONGEST_GAP: Duration = Duration::from_hours(24);

/// The activity clock: seconds that were observed, plus at most a day for each time that nobody looked.
#[derive(Debug)]
pub(super) struct Clock {
    base: u64,
    since: Instant,
    #[cfg(test)]
    ahead: std::sync::atomic::AtomicU64,
}

impl Clock {
    pub(super) fn starting_at(base: u64) -> Self {
        Self {
            base,
            since: Instant::now(),
            #[cfg(test)]
            ahead: std::sync::atomic::AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> u64 {
        let seconds = self.base + self.since.elapsed().as_secs();
        #[cfg(test)]
        let seconds = seconds + self.ahead.load(std::sync::atomic::Ordering::Relaxed);
        seconds
    }

    #[cfg(test)]
    pub(super) fn advance(&self, by: Duration) {
        self.ahead
            .fetch_add(by.as_secs(), std::sync::atomic::Ordering::Relaxed);
    }
}

/// Where the activity clock stands at a start: `stored` seconds were reached when the wall clock said `seen_ms`.
pub(super) fn at_start(stored: u64, seen_ms: i64, wall_ms: i64) -> u64 {
    let gap = Duration::from_millis(u64::try_from(wall_ms.saturating_sub(seen_ms)).unwrap_or(0));
    stored.saturating_add(gap.min(LONGEST_GAP).as_secs())
}

/// Milliseconds since 1970 by the wall clock.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_start_moves_the_clock_by_the_time_away() {
        assert_eq!(at_start(1_000, 0, 90_500), 1_090);
    }

    #[test]
    fn a_jump_of_the_wall_clock_moves_it_by_a_day_at_most_and_never_back() {
        assert_eq!(at_start(1_000, 0, 40 * 365 * DAY_MS), 1_000 + 86_400);
        assert_eq!(at_start(1_000, 40 * 365 * DAY_MS, 0), 1_000);
        assert_eq!(at_start(1_000, i64::MIN, i64::MAX), 1_000 + 86_400);
    }
}
