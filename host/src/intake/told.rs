//! Whom the intake told that their messages are too old, and what it told the operator.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sessions::SessionKey;

/// Old messages of a conversation that follow each other this closely get one note together.
const BURST: Duration = Duration::from_secs(60);
/// More conversations are not remembered; what is lost then is that a note is not sent twice.
const MOST: usize = 10_000;

/// Further groups are not named.
const MOST_GROUPS: usize = 1_000;
/// Groups that a status names.
const LATEST_GROUPS: usize = 5;
/// They are named for this long.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// When a conversation's last old message came, for those that were told; groups that are not heard and were named.
#[derive(Default)]
pub(crate) struct Told {
    old: Mutex<HashMap<SessionKey, Instant>>,
    groups: Mutex<HashSet<String>>,
    /// Codes cannot be written.
    codeless: AtomicBool,
    /// Those in which somebody asked last, the latest at the end.
    latest: Mutex<VecDeque<(String, Instant)>>,
}

impl Told {
    /// Whether the conversation was told of the burst that an old message at `now` belongs to, which then goes on.
    pub(super) fn goes_on(&self, session: &SessionKey, now: Instant) -> bool {
        let mut conversations = self.lock();
        let Some(last) = conversations.get_mut(session) else {
            return false;
        };
        let goes_on = now.saturating_duration_since(*last) < BURST;
        if goes_on {
            *last = now;
        }
        goes_on
    }

    /// The conversation is being told.
    pub(super) fn tell(&self, session: &SessionKey, now: Instant) {
        let mut conversations = self.lock();
        if conversations.len() >= MOST {
            conversations.retain(|_, last| now.saturating_duration_since(*last) < BURST);
        }
        if conversations.len() < MOST {
            conversations.insert(session.clone(), now);
        }
    }

    /// It was not told after all.
    pub(super) fn forget(&self, session: &SessionKey) {
        self.lock().remove(session);
    }

    /// Whether a code could be written; answers whether that is another answer than the one before.
    pub(super) fn codes(&self, written: bool) -> bool {
        self.codeless.swap(!written, Ordering::Relaxed) == written
    }

    /// Somebody who may write asked in a group that is not heard.
    pub(super) fn asked_in(&self, group: &str, now: Instant) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|(other, _)| other != group);
        if latest.len() >= LATEST_GROUPS {
            latest.pop_front();
        }
        latest.push_back((group.to_owned(), now));
    }

    /// Groups that are not heard and in which somebody asked lately, the latest first.
    pub(crate) fn asked_lately(&self, now: Instant) -> Vec<(String, Duration)> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let ago = latest
            .iter()
            .map(|(group, then)| (group.clone(), now.saturating_duration_since(*then)));
        ago.rev().filter(|(_, ago)| *ago < LATELY).collect()
    }

    /// Whether a group is to be named, which it is once.
    pub(super) fn names(&self, group: &str) -> bool {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.len() < MOST_GROUPS && !groups.contains(group) && groups.insert(group.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Instant>> {
        self.old.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_once_and_the_next_one_again() {
        let (told, key, start) = (Told::default(), SessionKey("a".into()), Instant::now());
        assert!(!told.goes_on(&key, start));
        told.tell(&key, start);
        for second in 0..200 {
            assert!(told.goes_on(&key, start + Duration::from_secs(second)));
        }
        assert!(!told.goes_on(&key, start + Duration::from_secs(199) + BURST));
        told.tell(&key, start);
        told.forget(&key);
        assert!(!told.goes_on(&key, start));
    }

    #[test]
    fn a_group_is_named_once_and_no_more_than_there_is_room_for() {
        let told = Told::default();
        assert!(told.names("a") && !told.names("a"));
        let named = (0..2 * MOST_GROUPS).filter(|index| told.names(&index.to_string()));
        assert_eq!(named.count(), MOST_GROUPS - 1);
    }

    #[test]
    fn that_codes_cannot_be_written_is_told_once_and_their_return_too() {
        let told = Told::default();
        let changes = [true, false, false, true, true, false].map(|written| told.codes(written));
        assert_eq!(changes, [false, true, false, true, false, true]);
    }

    #[test]
    fn the_groups_that_asked_last_are_known_for_a_day() {
        let (told, start) = (Told::default(), Instant::now());
        for group in ["a", "b", "c", "d", "e", "f", "c"] {
            told.asked_in(group, start);
        }
        let groups = |now| told.asked_lately(now).into_iter().map(|(group, _)| group);
        assert_eq!(groups(start).collect::<String>(), "cfedb");
        assert_eq!(groups(start + LATELY).count(), 0);
    }

    #[test]
    fn no_more_conversations_are_remembered_than_there_is_room_for() {
        let (told, start) = (Told::default(), Instant::now());
        for index in 0..MOST + 5 {
            told.tell(&SessionKey(index.to_string().into()), start);
        }
        assert_eq!(told.lock().len(), MOST);
        told.tell(&SessionKey("later".into()), start + BURST);
        assert_eq!(told.lock().len(), 1);
    }
}
