//! Holds what the gateway believes against what the spool says: a message that nobody works on is told, not lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::config::Config;
use crate::hub::ChatHub;
use crate::spool::{SqliteSpool, Unfinished, wall_ms};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);
/// Looks in a row at which the numbers differ before that is an error: a look at two places is not one moment.
const TWICE: u32 = 2;

/// What the gateway knows of its unfinished work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    messages: u64,
    /// By channel, in the order of the spool's rows.
    replies: Vec<u64>,
    /// Moves with everything that comes or goes.
    moved: u64,
}

/// Looks until the runtime ends, and names what waits longer than `gateway.warn_pending_after`.
pub(super) async fn watch(
    hub: Arc<ChatHub>,
    spool: Arc<SqliteSpool>,
    config: tokio::sync::watch::Receiver<Arc<Config>>,
) {
    let (mut differing, mut named) = (0, None);
    let mut wait = Duration::ZERO;
    loop {
        tokio::time::sleep(wait).await;
        let bound = config.borrow().gateway.warn_pending_after;
        wait = LOOK.min(bound);
        let before = known(&hub, &Unfinished::default());
        let unfinished = match spool.unfinished().await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                debug!(%error, "Spool could not be counted");
                continue;
            }
        };
        let after = known(&hub, &unfinished);
        differing = match disagreement(&before, &after, &unfinished) {
            Some(text) if differing + 1 == TWICE => {
                error!(
                    "Counts of spool and gateway differ ({text}): what nobody works on is taken up at the next start"
                );
                TWICE
            }
            Some(_) => (differing + 1).min(TWICE + 1),
            None => 0,
        };
        // What waits for a channel that is not configured was told when it came to that.
        let mut unfinished = unfinished;
        unfinished
            .replies
            .retain(|(channel, ..)| hub.outbox(channel).is_some());
        if let Some(text) = overdue(&unfinished, wall_ms(), bound) {
            if named.is_none_or(|named: Instant| named.elapsed() >= bound) {
                named = Some(Instant::now());
                warn!(bound = ?bound, "{text}; `miniclaw queue list` shows it");
            }
        } else {
            named = None;
        }
    }
}

fn known(hub: &ChatHub, unfinished: &Unfinished) -> Known {
    let counters = &hub.counters;
    let waiting = |channel: &str| hub.outbox(channel).map(|outbox| outbox.waiting() as u64);
    Known {
        messages: hub.load.pending() as u64,
        // What waits for a channel that is not configured is nobody's.
        replies: unfinished
            .replies
            .iter()
            .map(|(channel, count, _)| waiting(channel).unwrap_or(*count))
            .collect(),
        moved: counters.received.get() + counters.done.get() + counters.delivered.get() + counters.dead.get(),
    }
}

/// How the numbers differ, where nothing moved while they were taken.
fn disagreement(before: &Known, after: &Known, unfinished: &Unfinished) -> Option<String> {
    if before.moved != after.moved || before.messages != after.messages {
        return None;
    }
    if after.messages != unfinished.messages {
        let (knows, holds) = (after.messages, unfinished.messages);
        return Some(format!(
            "the spool holds {holds} messages, the gateway knows of {knows}"
        ));
    }
    let mut replies = unfinished.replies.iter().zip(&after.replies);
    let ((channel, holds, _), knows) = replies.find(|((_, holds, _), knows)| holds != *knows)?;
    Some(format!(
        "the spool holds {holds} replies for `{channel}`, the gateway knows of {knows}"
    ))
}

/// What waits longer than it should.
fn overdue(unfinished: &Unfinished, now_ms: i64, bound: Duration) -> Option<String> {
    let age = |since: i64| Duration::from_millis(u64::try_from(now_ms.saturating_sub(since)).unwrap_or(0));
    let message = unfinished.oldest_message_ms.map(age).filter(|age| *age > bound);
    if let Some(age) = message {
        let seconds = age.as_secs();
        return Some(format!(
            "A message has waited {seconds} s for its answer, of {} that wait",
            unfinished.messages
        ));
    }
    let (channel, count, since) = unfinished
        .replies
        .iter()
        .find(|(_, _, since)| age(*since) > bound)?;
    let seconds = age(*since).as_secs();
    Some(format!(
        "A reply for `{channel}` has waited {seconds} s to be sent, of {count} that wait"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfinished(messages: u64, replies: u64) -> Unfinished {
        Unfinished {
            messages,
            oldest_message_ms: (messages > 0).then_some(1_000),
            replies: vec![("c".into(), replies, 2_000)],
            dead: 0,
            up_to: 9,
        }
    }

    fn known(messages: u64, replies: u64, moved: u64) -> Known {
        Known {
            messages,
            replies: vec![replies],
            moved,
        }
    }

    #[test]
    fn numbers_that_differ_while_nothing_moves_are_told() {
        let tell = |moved, messages, replies| {
            disagreement(
                &known(2, 3, 7),
                &known(2, 3, moved),
                &unfinished(messages, replies),
            )
        };
        assert_eq!(tell(7, 2, 3), None);
        assert!(tell(7, 3, 3).is_some_and(|text| text.contains("holds 3 messages")));
        assert!(tell(7, 2, 4).is_some_and(|text| text.contains("holds 4 replies for `c`")));
        assert_eq!(tell(8, 3, 4), None);
    }

    #[test]
    fn what_waits_longer_than_the_bound_is_named() {
        let bound = Duration::from_secs(60);
        assert_eq!(overdue(&unfinished(1, 1), 61_000, bound), None);
        let text = overdue(&unfinished(1, 1), 61_001, bound).unwrap();
        assert!(text.contains("A message has waited 60 s"), "{text}");
        let text = overdue(&unfinished(0, 1), 62_001, bound).unwrap();
        assert!(text.contains("for `c`"), "{text}");
    }
}
