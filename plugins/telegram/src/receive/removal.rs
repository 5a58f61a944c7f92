//! A webhook that keeps polls out is removed, as often as it is there.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::json;

use super::trouble::{backoff, jitter};
use super::{Receiver, Step};
use crate::api::{CALL_DEADLINE, Failure};

/// Longest backoff between tries to remove a webhook, in seconds.
const MAX_BACKOFF: f64 = 30.0;
/// So many removals within the window mean that another program sets it again and again.
const FIGHT: usize = 3;
const WINDOW: Duration = Duration::from_secs(300);
/// How long a fight is not told of again.
const QUIET: Duration = Duration::from_secs(3600);

/// What became of removing webhooks. Decides without clock and network.
#[derive(Default)]
pub(super) struct Removals {
    /// Tries in a row that failed.
    failures: u32,
    /// Removals in a row after which no poll succeeded.
    vain: u32,
    /// When the latest were, the oldest first.
    latest: VecDeque<Instant>,
    warned: Option<Instant>,
}

impl Removals {
    /// A poll succeeded.
    pub(super) fn over(&mut self) {
        (self.failures, self.vain) = (0, 0);
    }

    fn is_first(&self) -> bool {
        (self.failures, self.vain) == (0, 0)
    }

    /// How long to wait after a try that failed.
    fn failed(&mut self, failure: &Failure, jitter: f64) -> Duration {
        let wait = backoff(self.failures, MAX_BACKOFF, jitter);
        self.failures = self.failures.saturating_add(1);
        match failure {
            Failure::Refused(refusal) => refusal.retry_after.unwrap_or(wait),
            _ => wait,
        }
    }

    /// How long to wait after a removal: polls go on at once, unless the one before was in vain.
    fn removed(&mut self, now: Instant, jitter: f64) -> Duration {
        let wait = match self.vain.checked_sub(1) {
            Some(before) => backoff(before, MAX_BACKOFF, jitter),
            None => Duration::ZERO,
        };
        self.failures = 0;
        self.vain = self.vain.saturating_add(1);
        self.latest.push_back(now);
        if self.latest.len() > FIGHT {
            self.latest.pop_front();
        }
        wait
    }

    /// Whether to tell that another program sets the webhook again and again.
    fn is_fight(&mut self, now: Instant) -> bool {
        let oldest = self.latest.front().filter(|_| self.latest.len() == FIGHT);
        let fight = oldest.is_some_and(|oldest| now.duration_since(*oldest) <= WINDOW);
        let told = self.warned.is_some_and(|at| now.duration_since(at) < QUIET);
        if fight && !told {
            self.warned = Some(now);
        }
        fight && !told
    }
}

impl Receiver<'_> {
    /// The waiting updates are kept: they are what people wrote while the webhook's owner was away.
    pub(super) async fn remove_webhook(&mut self) -> Step {
        if self.removals.is_first() {
            tracing::warn!("A webhook is set for this bot, removing it to poll instead");
        }
        let body = json!({ "drop_pending_updates": false });
        let mut stop = self.stop.clone();
        let api = &self.channel.api;
        let call = api.call::<bool>("deleteWebhook", &body, CALL_DEADLINE);
        let removed = tokio::select! {
            removed = call => removed,
            () = stop.requested() => return Step::Stop,
        };
        let wait = match removed {
            Ok(_) => self.removed(),
            Err(failure) => {
                let reason = format!(
                    "a webhook is set for this bot and could not be removed: deleteWebhook: {failure}"
                );
                self.outage.blocked(&reason);
                self.removals.failed(&failure, jitter())
            }
        };
        self.pause(wait).await
    }

    fn removed(&mut self) -> Duration {
        let now = Instant::now();
        let wait = self.removals.removed(now, jitter());
        if self.removals.is_fight(now) {
            self.outage.blocked(
                "a webhook is set for this bot again whenever it was removed: another program uses the same token, \
                 such as a gateway with `mode` `webhook`; stop one of the two, or give each a bot of its own",
            );
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Refusal;

    fn seconds(waits: &[Duration]) -> Vec<u64> {
        waits.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn tries_that_fail_back_off_up_to_half_a_minute_or_as_long_as_telegram_says() {
        let mut removals = Removals::default();
        let waits: Vec<_> = (0..7)
            .map(|_| removals.failed(&Failure::Broken(500), 1.0))
            .collect();
        assert_eq!(seconds(&waits), [1, 2, 4, 8, 16, 30, 30]);
        let throttled = Failure::Refused(Refusal {
            code: 429,
            retry_after: Some(Duration::from_secs(77)),
            ..Refusal::default()
        });
        assert_eq!(removals.failed(&throttled, 1.0), Duration::from_secs(77));
        removals.over();
        assert_eq!(
            removals.failed(&Failure::Broken(500), 0.0),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn polls_go_on_at_once_unless_the_removal_before_was_in_vain() {
        let mut removals = Removals::default();
        removals.failed(&Failure::Garbled(200), 1.0);
        let waits: Vec<_> = (0..4).map(|_| removals.removed(Instant::now(), 1.0)).collect();
        assert_eq!(seconds(&waits), [0, 1, 2, 4]);
        removals.over();
        assert_eq!(removals.removed(Instant::now(), 1.0), Duration::ZERO);
    }

    #[test]
    fn fight_is_told_of_at_the_third_removal_within_minutes_and_not_soon_again() {
        let start = Instant::now();
        let told = |minutes: &[u64]| {
            let mut removals = Removals::default();
            let fights = minutes.iter().map(|minute| {
                let now = start + Duration::from_secs(minute * 60);
                removals.removed(now, 1.0);
                removals.over();
                removals.is_fight(now)
            });
            fights.collect::<Vec<_>>()
        };
        assert_eq!(told(&[0, 1, 2, 3, 4]), [false, false, true, false, false]);
        assert_eq!(told(&[0, 4, 8, 12]), [false; 4]);
        assert_eq!(told(&[0, 1, 2, 70, 71, 72])[2..], [true, false, false, true]);
    }
}
