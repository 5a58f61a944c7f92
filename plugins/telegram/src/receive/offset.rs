//! How far the queue at Telegram is on disk here.

use std::time::{Duration, Instant, SystemTime};

/// Telegram draws the next update id at random after a week without updates, and deletes updates after 24 h; an
/// offset older than this protects from nothing and could delete something.
const OFFSET_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The offset of the next poll.
#[derive(Clone, Default)]
pub(crate) struct Offset {
    next: Option<Next>,
    /// What Telegram was told last.
    confirmed: Option<i64>,
}

#[derive(Clone, Copy)]
struct Next {
    id: i64,
    /// Both clocks, because one stands still while the machine sleeps and the other can be set back.
    since: (Instant, SystemTime),
}

impl Offset {
    /// The offset to poll with; `None` where there is none that is safe.
    pub(super) fn current(&mut self) -> Option<i64> {
        if self.next.is_some_and(Next::is_stale) {
            self.next = None;
        }
        self.next.map(|next| next.id)
    }

    /// Every update below `next` is on disk. It may be lower than before, see [`OFFSET_LIFE`].
    pub(super) fn advance(&mut self, next: i64) {
        self.next = Some(Next {
            id: next,
            since: (Instant::now(), SystemTime::now()),
        });
    }

    /// Telegram answered a poll with this offset.
    pub(super) fn sent(&mut self, offset: Option<i64>) {
        self.confirmed = offset;
    }

    /// The offset that Telegram does not know of yet.
    pub(super) fn unconfirmed(&mut self) -> Option<i64> {
        self.current().filter(|next| self.confirmed != Some(*next))
    }
}

impl Next {
    fn is_stale(self) -> bool {
        let (instant, time) = self.since;
        instant.elapsed() >= OFFSET_LIFE || time.elapsed().is_ok_and(|age| age >= OFFSET_LIFE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_is_unconfirmed_until_it_was_sent() {
        let mut offset = Offset::default();
        assert_eq!((offset.current(), offset.unconfirmed()), (None, None));
        offset.advance(8);
        assert_eq!((offset.current(), offset.unconfirmed()), (Some(8), Some(8)));
        offset.sent(Some(8));
        assert_eq!((offset.current(), offset.unconfirmed()), (Some(8), None));
        offset.advance(3);
        assert_eq!(offset.unconfirmed(), Some(3));
    }

    #[test]
    fn offset_is_forgotten_after_a_day_without_updates() {
        let mut offset = Offset::default();
        offset.advance(8);
        for hours in [23, 24] {
            let earlier = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
            offset.next = offset.next.map(|next| Next {
                since: (next.since.0, earlier),
                ..next
            });
            assert_eq!(offset.current().is_some(), hours == 23, "{hours}");
        }
    }
}
