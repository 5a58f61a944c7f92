//! When crashes are too many.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const MANY: usize = 5;
const WITHIN: Duration = Duration::from_secs(60);

/// The crashes of an instance, those of the last minute.
#[derive(Default)]
pub(super) struct Crashes(VecDeque<Instant>);

impl Crashes {
    /// Counts a crash at `now` and says whether it is one too many.
    pub(super) fn too_many(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        while self
            .0
            .front()
            .is_some_and(|crash| now.duration_since(*crash) >= WITHIN)
        {
            self.0.pop_front();
        }
        self.0.len() >= MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_crashes_are_too_many_only_within_a_minute() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut crashes = Crashes::default();
        assert!((0..20).all(|index| !crashes.too_many(start + 15 * index * second)));
        let mut crashes = Crashes::default();
        assert_eq!(
            (0..5)
                .map(|index| crashes.too_many(start + index * second))
                .position(|many| many),
            Some(4)
        );
    }
}
