//! What to do after a poll that failed. Decides without clock and network.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use crate::api::{Failure, Refusal};

/// Telegram drops a poll that is not heard of after about 30 s; until then a second poller is a conflict.
const CONFLICT_WAIT: Duration = Duration::from_secs(35);
/// Shortest backoff in seconds.
const MIN_BACKOFF: f64 = 0.5;
/// Longest backoff in seconds: a channel is back within 5 s of an outage's end.
const MAX_BACKOFF: f64 = 4.0;
/// Polls that may pass their deadline in a row before the connections count as dead.
const STALLS: u32 = 2;

/// Polls that failed since the last one that did not.
#[derive(Default)]
pub(super) struct Trouble {
    since: Option<Instant>,
    failures: u32,
    stalls: u32,
    announced: Vec<Kind>,
}

/// Kinds of trouble, each of which is announced once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Telegram, or the way to it, is broken.
    Outage,
    /// Telegram answers, and does not what it is asked for.
    Refused,
    /// Another program polls.
    Conflict,
    /// Telegram asked for a wait.
    Throttled,
    /// A webhook is set and stays.
    Webhook,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// The token is not taken; no wait helps.
    GiveUp,
    /// Poll again after this wait.
    Wait(Duration, Kind),
    /// The same, over new connections.
    Reconnect(Duration),
    /// Remove the webhook, then poll again.
    RemoveWebhook,
}

impl Trouble {
    /// `jitter` is a number from 0 to 1.
    pub(super) fn after(&mut self, failure: &Failure, now: Instant, jitter: f64) -> Next {
        if failure.is_unauthorized() {
            return Next::GiveUp;
        }
        self.since.get_or_insert(now);
        self.stalls = match failure {
            Failure::TimedOut => self.stalls + 1,
            _ => 0,
        };
        if let Failure::Refused(refusal) = failure
            && let Some(next) = self.after_refusal(refusal)
        {
            return next;
        }
        let wait = backoff(self.failures, MAX_BACKOFF, jitter);
        self.failures = self.failures.saturating_add(1);
        if self.stalls >= STALLS {
            self.stalls = 0;
            return Next::Reconnect(wait);
        }
        let kind = match failure {
            Failure::Refused(_) => Kind::Refused,
            _ => Kind::Outage,
        };
        Next::Wait(wait, kind)
    }

    fn after_refusal(&mut self, refusal: &Refusal) -> Option<Next> {
        if refusal.is_webhook() {
            return Some(Next::RemoveWebhook);
        }
        match (refusal.code, refusal.retry_after) {
            (409, _) => Some(Next::Wait(CONFLICT_WAIT, Kind::Conflict)),
            (_, Some(wait)) => Some(Next::Wait(wait, Kind::Throttled)),
            _ => None,
        }
    }

    /// Whether this kind is to be told of, which it is once until the trouble is over.
    pub(super) fn announce(&mut self, kind: Kind) -> bool {
        let first = !self.announced.contains(&kind);
        if first {
            self.announced.push(kind);
        }
        first
    }

    /// Telegram says that it cannot deliver; whether to tell of it.
    pub(super) fn undelivered(&mut self, now: Instant) -> bool {
        self.since.get_or_insert(now);
        self.announce(Kind::Outage)
    }

    /// A poll succeeded; how long the trouble was that was told of.
    pub(super) fn over(&mut self, now: Instant) -> Option<Duration> {
        let since = self.since?;
        let told = !self.announced.is_empty();
        *self = Self::default();
        told.then(|| now.duration_since(since))
    }
}

/// From half a second up to a bound that doubles from 1 s to `most` seconds.
pub(super) fn backoff(failures: u32, most: f64, jitter: f64) -> Duration {
    let bound = f64::from(1u32 << failures.min(16)).min(most);
    Duration::from_secs_f64(MIN_BACKOFF + jitter.clamp(0.0, 1.0) * (bound - MIN_BACKOFF))
}

/// A random number from 0 to 1: two gateways that lost the same network must not come back in step.
pub(super) fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, description: &str, retry_after: Option<u64>) -> Failure {
        Failure::Refused(Refusal {
            code,
            description: description.to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
            migrate_to: None,
        })
    }

    fn after(trouble: &mut Trouble, failure: &Failure) -> Next {
        trouble.after(failure, Instant::now(), 1.0)
    }

    #[test]
    fn token_that_is_not_taken_ends_it() {
        for code in [401, 404] {
            assert_eq!(
                after(&mut Trouble::default(), &refused(code, "no", None)),
                Next::GiveUp
            );
        }
    }

    #[test]
    fn outage_backs_off_up_to_four_seconds() {
        let mut trouble = Trouble::default();
        let waits: Vec<_> = (0..5)
            .map(|_| after(&mut trouble, &Failure::Broken(502)))
            .collect();
        let expected = [1, 2, 4, 4, 4].map(|seconds| Next::Wait(Duration::from_secs(seconds), Kind::Outage));
        assert_eq!(waits, expected);
        for failures in [0, 1, 2, 40, u32::MAX] {
            assert_eq!(backoff(failures, MAX_BACKOFF, 0.0), Duration::from_millis(500));
            assert!(backoff(failures, MAX_BACKOFF, 7.0) <= Duration::from_secs(4));
        }
        assert!((0.0..=1.0).contains(&jitter()));
    }

    #[test]
    fn second_poller_is_waited_for() {
        let failure = refused(409, "Conflict: terminated by other getUpdates request", None);
        let next = after(&mut Trouble::default(), &failure);
        assert_eq!(next, Next::Wait(Duration::from_secs(35), Kind::Conflict));
    }

    #[test]
    fn webhook_is_removed_whenever_it_is_in_the_way() {
        let mut trouble = Trouble::default();
        for description in [
            "Conflict: can't use getUpdates method while webhook is active",
            "Conflict: terminated by setWebhook request",
        ] {
            let failure = refused(409, description, None);
            assert_eq!(after(&mut trouble, &failure), Next::RemoveWebhook);
        }
    }

    #[test]
    fn wait_that_telegram_asks_for_is_kept_to() {
        let next = after(
            &mut Trouble::default(),
            &refused(429, "Too Many Requests", Some(90)),
        );
        assert_eq!(next, Next::Wait(Duration::from_secs(90), Kind::Throttled));
        let next = after(&mut Trouble::default(), &refused(429, "Too Many Requests", None));
        assert!(matches!(next, Next::Wait(_, Kind::Refused)));
    }

    #[test]
    fn two_stalls_in_a_row_bring_new_connections() {
        let mut trouble = Trouble::default();
        assert!(matches!(after(&mut trouble, &Failure::TimedOut), Next::Wait(..)));
        assert!(matches!(
            after(&mut trouble, &Failure::Broken(502)),
            Next::Wait(..)
        ));
        assert!(matches!(after(&mut trouble, &Failure::TimedOut), Next::Wait(..)));
        assert!(matches!(
            after(&mut trouble, &Failure::TimedOut),
            Next::Reconnect(_)
        ));
        assert!(matches!(after(&mut trouble, &Failure::TimedOut), Next::Wait(..)));
    }

    #[test]
    fn each_kind_is_told_once_until_it_is_over() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.over(Instant::now()), None);
        after(&mut trouble, &Failure::Broken(502));
        assert!(trouble.announce(Kind::Outage));
        assert!(!trouble.announce(Kind::Outage));
        assert!(trouble.announce(Kind::Conflict));
        assert!(trouble.over(Instant::now()).is_some());
        assert!(trouble.announce(Kind::Outage));
    }
}
