//! How much waits, as the intake sees it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::sessions::SessionKey;

/// What waits when a message arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Messages of all conversations, those being answered included.
    pub(crate) pending: usize,
    /// Messages of this conversation, the one being answered included.
    pub(crate) waiting: usize,
    /// Whether this conversation was told that it is too fast.
    pub(crate) told: bool,
    /// Whether it was told of the burst of old messages that this one would belong to.
    pub(crate) told_old: bool,
}

/// Counts what was taken and not yet answered. One entry for each conversation with something to answer.
pub(crate) struct LoadTable {
    conversations: Mutex<HashMap<SessionKey, (usize, bool)>>,
    pending: watch::Sender<usize>,
}

impl Default for LoadTable {
    fn default() -> Self {
        Self {
            conversations: Mutex::default(),
            pending: watch::channel(0).0,
        }
    }
}

impl LoadTable {
    pub(crate) fn of(&self, session: &SessionKey) -> Load {
        let (waiting, told) = self.lock().get(session).copied().unwrap_or_default();
        Load {
            pending: *self.pending.borrow(),
            waiting,
            told,
            told_old: false,
        }
    }

    /// Messages of all conversations.
    pub(crate) fn pending(&self) -> usize {
        *self.pending.borrow()
    }

    /// Counts a message that is being taken.
    pub(crate) fn take(&self, session: &SessionKey) {
        self.lock().entry(session.clone()).or_default().0 += 1;
        self.pending.send_modify(|pending| *pending += 1);
    }

    /// Counts a message that was answered, or was not taken after all.
    pub(crate) fn release(&self, session: &SessionKey) {
        let mut conversations = self.lock();
        if let Some((waiting, _)) = conversations.get_mut(session) {
            *waiting -= 1;
            if *waiting == 0 {
                conversations.remove(session);
            }
            self.pending.send_modify(|pending| *pending -= 1);
        }
    }

    /// Remembers, until the conversation is answered, that it was told.
    pub(crate) fn tell(&self, session: &SessionKey) {
        if let Some((_, told)) = self.lock().get_mut(session) {
            *told = true;
        }
    }

    /// Waits until at most `level` messages are pending.
    pub(crate) async fn falls_to(&self, level: impl Fn() -> usize) {
        // The sender lives as long as self.
        let _ = self
            .pending
            .subscribe()
            .wait_for(|pending| *pending <= level())
            .await;
    }

    /// Whoever waits does so for another level.
    pub(crate) fn look_again(&self) {
        self.pending.send_modify(|_| {});
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, (usize, bool)>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_lasts_until_the_conversation_is_answered() {
        let (table, key) = (LoadTable::default(), SessionKey("a".into()));
        table.take(&key);
        table.tell(&key);
        assert_eq!(
            table.of(&key),
            Load {
                pending: 1,
                waiting: 1,
                told: true,
                ..Load::default()
            }
        );
        table.release(&key);
        table.take(&key);
        assert_eq!(
            table.of(&key),
            Load {
                pending: 1,
                waiting: 1,
                told: false,
                ..Load::default()
            }
        );
    }
}
