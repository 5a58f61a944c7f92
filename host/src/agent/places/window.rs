use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// At most so many starts in any minute, given out in the order in which they are asked for. Decides from the times it is
/// told, and from nothing else.
///
/// It keeps the starts of the last minute rather than a bucket of tokens: a full bucket lets through twice the number in one
/// minute, which is what a server counts.
#[derive(Clone, Debug)]
pub(super) struct Window {
    most: usize,
    /// Ascending; those ahead are reserved.
    starts: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(most: u32) -> Self {
        Self {
            most: (most as usize).max(1),
            starts: VecDeque::new(),
        }
    }

    /// With the starts that one with another bound gave out until now; those ahead are that one's.
    pub(super) fn after(mut self, before: Option<Self>, now: Instant) -> Self {
        self.starts = before.map(|before| before.starts).unwrap_or_default();
        self.starts.retain(|start| *start <= now);
        self
    }

    /// The next start that is free, not before those that were given out; `None` where that is later than `latest`.
    pub(super) fn reserve(&mut self, now: Instant, latest: Instant) -> Option<Instant> {
        while self.starts.len() > self.most && self.starts.front().is_some_and(|first| *first + MINUTE <= now)
        {
            self.starts.pop_front();
        }
        let last = self.starts.back().copied().unwrap_or(now);
        let one_too_many = self.starts.len().checked_sub(self.most);
        let free = one_too_many
            .and_then(|at| self.starts.get(at))
            .map_or(now, |start| *start + MINUTE);
        let at = now.max(last).max(free);
        (at <= latest).then(|| {
            self.starts.push_back(at);
            at
        })
    }

    /// A start that nobody makes. Later ones stay as they were promised.
    pub(super) fn give_back(&mut self, at: Instant) {
        if let Some(index) = self.starts.iter().rposition(|start| *start == at) {
            self.starts.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_has_more_starts_and_none_waits_without_need(
            most in 1..5u32,
            steps in prop::collection::vec((0..40_000u64, prop::bool::weighted(0.2)), 1..60),
        ) {
            let mut window = Window::new(most);
            let (mut now, far) = (Instant::now(), Instant::now() + MINUTE * 10_000);
            let mut given: Vec<Instant> = Vec::new();
            for (pause, gives_back) in steps {
                now += Duration::from_millis(pause);
                let at = window.reserve(now, far).unwrap();
                prop_assert!(at >= now && given.last().is_none_or(|last| at >= *last), "in order");
                let before = |then: Instant| given.iter().filter(|start| **start + MINUTE > then).count();
                prop_assert!(before(at) < most as usize, "too many in a minute");
                let sooner = at - Duration::from_nanos(1);
                let forced = given.last().is_some_and(|last| *last == at) || before(sooner) >= most as usize;
                prop_assert!(at == now || forced, "waits without need");
                if gives_back && at > now {
                    window.give_back(at);
                } else {
                    given.push(at);
                }
            }
        }

        #[test]
        fn what_is_refused_takes_no_place(most in 1..4u32, tries in 1..10usize) {
            let (mut window, now) = (Window::new(most), Instant::now());
            for _ in 0..most {
                prop_assert_eq!(window.reserve(now, now), Some(now));
            }
            for _ in 0..tries {
                prop_assert_eq!(window.reserve(now, now + MINUTE / 2), None);
            }
            prop_assert_eq!(window.reserve(now, now + MINUTE), Some(now + MINUTE));
        }
    }
}
