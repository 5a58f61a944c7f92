//! How many tokens may be used in a day.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::bill::{grouped, tokens};
use crate::config::Budgets;
use crate::sessions::SessionKey;
use crate::spool::{Spent, Spool, Usage, day_of, wall_ms};

/// Conversations whose sums are in memory; with more all of them are read again as they speak.
const KNOWN: usize = 10_000;

/// What was used today. The truth is the spool's; this is its copy in memory, so that a message costs no look into it.
///
/// Turns that are under way at the same time do not see each other's use: together they may pass a limit by what they use.
pub(crate) struct Budget {
    limits: Budgets,
    /// `None` where nothing is kept, as for one question on the command line.
    spool: Option<Arc<dyn Spool>>,
    today: Arc<Mutex<Today>>,
}

#[derive(Default)]
struct Today {
    /// Since 1970, in UTC.
    day: i64,
    total: u64,
    conversations: HashMap<SessionKey, u64>,
}

/// What is left of a day's limit, and the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) left: u64,
    pub(crate) of: u64,
}

impl Budget {
    /// Without limits and without a spool.
    pub(crate) fn none() -> Self {
        Self {
            limits: Budgets::default(),
            spool: None,
            today: Arc::default(),
        }
    }

    /// Without limits. `spent` is what the spool says of today.
    pub(crate) fn new(spool: Arc<dyn Spool>, spent: &[Spent]) -> Self {
        let day = day_of(wall_ms());
        let today = spent.iter().filter(|spent| spent.day == day);
        let total = sum(today);
        Self {
            limits: Budgets::default(),
            spool: Some(spool),
            today: Arc::new(Mutex::new(Today {
                day,
                total,
                ..Today::default()
            })),
        }
    }

    /// With other limits for the same day.
    pub(crate) fn with(&self, limits: Budgets) -> Self {
        Self {
            limits,
            spool: self.spool.clone(),
            today: self.today.clone(),
        }
    }

    /// What a person is told whose message would go beyond a limit.
    pub(super) async fn refusal(&self, session: &SessionKey) -> Option<String> {
        let (conversation, all) = self.left(session).await;
        let whose = |left: Option<Left>| left.filter(|left| left.left == 0).map(|left| grouped(left.of));
        if let Some(limit) = whose(conversation) {
            return Some(format!(
                "This conversation has used its {limit} tokens for today; it goes on at 00:00 UTC."
            ));
        }
        let limit = whose(all)?;
        Some(format!(
            "All conversations together have used my {limit} tokens for today; I go on at 00:00 UTC."
        ))
    }

    /// What is left for a conversation and for all of them; `None` for no limit.
    pub(crate) async fn left(&self, session: &SessionKey) -> (Option<Left>, Option<Left>) {
        let left = |of: u64, used: u64| Left {
            left: of.saturating_sub(used),
            of,
        };
        let conversation = match self.limits.conversation_tokens_per_day {
            Some(limit) => Some(left(limit, self.used_by(session).await)),
            None => None,
        };
        let all = self
            .limits
            .tokens_per_day
            .map(|limit| left(limit, self.today().total));
        (conversation, all)
    }

    /// Takes note of what a turn used, once that is stored.
    pub(crate) fn add(&self, session: &SessionKey, usage: &[Usage]) {
        if usage.is_empty() {
            return;
        }
        let used = tokens(usage);
        let mut today = self.today();
        today.total = today.total.saturating_add(used);
        if let Some(sum) = today.conversations.get_mut(session) {
            *sum = sum.saturating_add(used);
        }
    }

    /// Nobody adds to a conversation meanwhile: its turns run one after another.
    async fn used_by(&self, session: &SessionKey) -> u64 {
        let day = {
            let today = self.today();
            if let Some(used) = today.conversations.get(session) {
                return *used;
            }
            today.day
        };
        let Some(spool) = &self.spool else { return 0 };
        let spent = match spool.spent(Some(session.clone()), day).await {
            Ok(spent) => spent,
            Err(error) => {
                warn!(%error, "What a conversation used today cannot be read, its limit does not count");
                return 0;
            }
        };
        let used = sum(spent.iter());
        let mut today = self.today();
        if today.day == day {
            if today.conversations.len() >= KNOWN {
                today.conversations.clear();
            }
            today.conversations.insert(session.clone(), used);
        }
        used
    }

    /// A clock that is put back by a little does not give a day twice. One that was far ahead is no reason to wait until
    /// then.
    fn today(&self) -> MutexGuard<'_, Today> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        let day = day_of(wall_ms());
        if day > today.day || day < today.day - 1 {
            *today = Today {
                day,
                ..Today::default()
            };
        }
        today
    }
}

fn sum<'a>(spent: impl Iterator<Item = &'a Spent>) -> u64 {
    spent.fold(0, |sum, spent| {
        sum.saturating_add(spent.input).saturating_add(spent.output)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::SqliteSpool;

    fn usage(input: u64) -> Usage {
        Usage {
            provider: "p".into(),
            model: None,
            input,
            output: 1,
            cost_micros: None,
            estimated: false,
        }
    }

    #[tokio::test]
    async fn a_conversation_is_refused_from_its_limit_on_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let spool: Arc<dyn Spool> = SqliteSpool::open(folder.path()).unwrap().spool;
        let limits = Budgets {
            tokens_per_day: Some(1_000_000),
            conversation_tokens_per_day: Some(1_000),
        };
        let budget = Budget::new(spool, &[]).with(limits);
        let (one, other) = (SessionKey("t_1".into()), SessionKey("t_2".into()));
        assert_eq!(budget.refusal(&one).await, None);
        budget.add(&one, &[usage(998)]);
        assert_eq!(budget.left(&one).await.0, Some(Left { left: 1, of: 1_000 }));
        budget.add(&one, &[usage(1)]);
        assert_eq!(
            budget.refusal(&one).await.as_deref(),
            Some("This conversation has used its 1,000 tokens for today; it goes on at 00:00 UTC.")
        );
        assert_eq!(budget.refusal(&other).await, None);
        budget.add(&other, &[usage(2_000_000)]);
        assert!(
            budget
                .refusal(&SessionKey("t_3".into()))
                .await
                .unwrap()
                .contains("1,000,000")
        );
    }

    #[tokio::test]
    async fn a_new_day_starts_with_nothing() {
        let budget = Budget {
            limits: Budgets {
                tokens_per_day: Some(10),
                conversation_tokens_per_day: None,
            },
            ..Budget::none()
        };
        let key = SessionKey("t_1".into());
        budget.add(&key, &[usage(100)]);
        assert!(budget.refusal(&key).await.is_some());
        budget.today.lock().unwrap().day -= 1;
        assert_eq!(budget.refusal(&key).await, None);
    }

    #[tokio::test]
    async fn a_clock_that_was_far_ahead_holds_nobody_up_until_then() {
        let limits = Budgets {
            tokens_per_day: Some(10),
            conversation_tokens_per_day: None,
        };
        let budget = Budget {
            limits,
            ..Budget::none()
        };
        let key = SessionKey("t_1".into());
        budget.add(&key, &[usage(100)]);
        budget.today.lock().unwrap().day += 1;
        assert!(budget.refusal(&key).await.is_some(), "a day is not given twice");
        budget.today.lock().unwrap().day += 400;
        assert_eq!(budget.refusal(&key).await, None);
    }
}
