//! When crashes are too many.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const WITHIN: Duration = Duration::from_secs(60);

/// An instance that hangs leaves a thread behind; this many in all are too many.
const LEFT_BEHIND: usize = 5;

/// The crashes of an instance: those of the last minute, and those that left a thread behind.
#[derive(Default)]
pub(super) struct Crashes {
    recent: VecDeque<Instant>,
    left_behind: usize,
}

impl Crashes {
    /// Counts a crash at `now` and says whether it is one too many, `most` within a minute. `hung`: its thread may never
    /// end.
    pub(super) fn too_many(&mut self, now: Instant, hung: bool, most: usize) -> bool {
        self.left_behind += usize::from(hung);
        self.recent.push_back(now);
        while self
            .recent
            .front()
            .is_some_and(|crash| now.duration_since(*crash) >= WITHIN)
        {
            self.recent.pop_front();
        }
        self.recent.len() >= most || self.left_behind >= LEFT_BEHIND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_crashes_are_too_many_only_within_a_minute() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut crashes = Crashes::default();
        assert!((0..20).all(|index| !crashes.too_many(start + 15 * index * second, false, 5)));
        let mut crashes = Crashes::default();
        assert_eq!(
            (0..5)
                .map(|index| crashes.too_many(start + index * second, false, 5))
                .position(|many| many),
            Some(4)
        );
    }

    #[test]
    fn five_threads_left_behind_are_too_many_however_long_it_took() {
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        let mut crashes = Crashes::default();
        let verdicts: Vec<bool> = (0..5)
            .map(|index| crashes.too_many(start + index * hour, true, 5))
            .collect();
        assert_eq!(verdicts, [false, false, false, false, true]);
    }
}
