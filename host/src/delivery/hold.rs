//! Whether a platform's wait concerns one conversation or the whole account.

use std::time::Instant;

use crate::sessions::SessionKey;

/// A platform does not say whom its wait concerns. The conversation that was told always waits; when a second
/// one is told during that wait, it is the account's, and all wait.
#[derive(Default)]
pub(crate) struct RateHold {
    told: Option<(SessionKey, Instant)>,
    all_until: Option<Instant>,
}

impl RateHold {
    /// The platform told `session` to wait until `until`.
    pub(crate) fn told(&mut self, session: &SessionKey, now: Instant, until: Instant) {
        match &self.told {
            Some((first, end)) if *end > now && first != session => {
                self.all_until = Some(until.max(*end));
            }
            _ => self.told = Some((session.clone(), until)),
        }
    }

    /// Whether this conversation waits.
    pub(crate) fn holds(&self, session: &SessionKey, now: Instant) -> bool {
        let own = self
            .told
            .as_ref()
            .is_some_and(|(told, until)| told == session && *until > now);
        own || self.all_until(now).is_some()
    }

    /// Until when at least one conversation waits.
    pub(crate) fn any_until(&self, now: Instant) -> Option<Instant> {
        let told = self.told.as_ref().map(|(_, until)| *until);
        told.max(self.all_until).filter(|until| *until > now)
    }

    /// Until when every conversation waits.
    pub(crate) fn all_until(&self, now: Instant) -> Option<Instant> {
        self.all_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_conversation_holds_itself_and_a_second_one_holds_all() {
        let (a, b) = (SessionKey("a".into()), SessionKey("b".into()));
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut hold = RateHold::default();
        hold.told(&a, now, now + 5 * second);
        hold.told(&a, now + second, now + 6 * second);
        assert_eq!(hold.all_until(now), None);
        assert!(hold.holds(&a, now + 5 * second) && !hold.holds(&b, now + 5 * second));
        assert_eq!(hold.any_until(now), Some(now + 6 * second));
        hold.told(&b, now + 2 * second, now + 3 * second);
        assert_eq!(hold.all_until(now + 2 * second), Some(now + 6 * second));
        assert_eq!(hold.all_until(now + 6 * second), None);
        assert_eq!(hold.any_until(now + 6 * second), None);
        hold.told(&b, now + 9 * second, now + 10 * second);
        assert_eq!(hold.all_until(now + 9 * second), None);
    }
}
