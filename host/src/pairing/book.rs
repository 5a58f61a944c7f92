//! Who asked to be let in, who was, and who was not. Decides from what happened and the time that it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use miniclaw_plugin_api::ChatRef;
use serde::{Deserialize, Serialize};

/// A code is good for this long.
const VALID: Duration = Duration::from_secs(3600);
/// Who was denied is not answered for this long.
const DENIED: Duration = Duration::from_secs(24 * 3600);
/// People of one channel who may have a code at the same time: strangers must neither fill the disk nor the list that the
/// operator reads.
const PENDING: usize = 3;

/// All of it, as it stands in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    #[serde(default)]
    pub(crate) pending: Vec<Pending>,
    /// By channel and id.
    #[serde(default)]
    pub(crate) approved: BTreeMap<String, BTreeMap<String, Decided>>,
    /// The same.
    #[serde(default)]
    pub(crate) denied: BTreeMap<String, BTreeMap<String, Decided>>,
}

/// Somebody with a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) code: String,
    #[serde(flatten)]
    pub(crate) who: Newcomer,
    /// Milliseconds since 1970.
    pub(crate) asked_ms: i64,
}

/// Somebody unknown who wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Newcomer {
    pub(crate) channel: String,
    pub(crate) id: String,
    /// As the platform shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) chat: ChatRef,
    /// What they wrote is known by this: handed over once more it gets the same code.
    pub(crate) message: String,
}

/// What became of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) since_ms: i64,
}

impl Book {
    /// Gives somebody a code; `None` for who has one already, was denied, or finds no room.
    pub(super) fn ask(&mut self, who: Newcomer, code: impl Fn() -> String, now_ms: i64) -> Option<String> {
        self.forget_past(now_ms);
        let own = |pending: &&Pending| pending.who.channel == who.channel && pending.who.id == who.id;
        if let Some(pending) = self.pending.iter().find(own) {
            // It was handed over again, so that nobody knows whether the note went out; the spool does.
            return (pending.who.message == who.message).then(|| pending.code.clone());
        }
        if !self.has_room(&who.channel, &who.id, now_ms) {
            return None;
        }
        let taken = |code: &String| self.pending.iter().any(|pending| pending.code == *code);
        let mut codes = std::iter::repeat_with(code).take(16);
        let code = codes.find(|code| !code.is_empty() && !taken(code))?;
        self.pending.push(Pending {
            code: code.clone(),
            who,
            asked_ms: now_ms,
        });
        Some(code)
    }

    /// Whether [`Book::ask`] may have a code for somebody.
    pub(super) fn may_ask(&self, channel: &str, id: &str, now_ms: i64) -> bool {
        let own = |pending: &Pending| {
            pending.who.channel == channel && pending.who.id == id && pending.is_valid(now_ms)
        };
        self.pending.iter().any(own) || self.has_room(channel, id, now_ms)
    }

    fn has_room(&self, channel: &str, id: &str, now_ms: i64) -> bool {
        let denied = find(&self.denied, channel, id).is_some_and(|denied| denied.lasts(now_ms));
        let valid = |pending: &&Pending| pending.who.channel == channel && pending.is_valid(now_ms);
        !denied && self.pending.iter().filter(valid).count() < PENDING
    }

    /// Lets in whom a code belongs to; `None` for a code that nobody has.
    pub(super) fn approve(&mut self, code: &str, now_ms: i64) -> Option<Pending> {
        let pending = self.take(code, now_ms)?;
        remove(&mut self.denied, &pending.who.channel, &pending.who.id);
        put(&mut self.approved, &pending.who, now_ms);
        Some(pending)
    }

    /// The opposite.
    pub(super) fn deny(&mut self, code: &str, now_ms: i64) -> Option<Pending> {
        let pending = self.take(code, now_ms)?;
        put(&mut self.denied, &pending.who, now_ms);
        Some(pending)
    }

    /// Takes back what was decided of somebody; whether anything was.
    pub(super) fn revoke(&mut self, channel: &str, id: &str) -> bool {
        let approved = remove(&mut self.approved, channel, id);
        remove(&mut self.denied, channel, id) || approved
    }

    pub(super) fn is_approved(&self, channel: &str, id: &str) -> bool {
        find(&self.approved, channel, id).is_some()
    }

    /// Drops what counts no more.
    pub(super) fn forget_past(&mut self, now_ms: i64) {
        self.pending.retain(|pending| pending.is_valid(now_ms));
        for people in self.denied.values_mut() {
            people.retain(|_, denied| denied.lasts(now_ms));
        }
        self.denied.retain(|_, people| !people.is_empty());
    }

    fn take(&mut self, code: &str, now_ms: i64) -> Option<Pending> {
        self.forget_past(now_ms);
        let index = self.pending.iter().position(|pending| pending.code == code)?;
        Some(self.pending.remove(index))
    }
}

impl Pending {
    fn is_valid(&self, now_ms: i64) -> bool {
        within(self.asked_ms, now_ms, VALID)
    }
}

impl Decided {
    fn lasts(&self, now_ms: i64) -> bool {
        within(self.since_ms, now_ms, DENIED)
    }
}

/// A clock that jumps, in either direction, ends what it jumps over: asking once more repairs that.
fn within(since_ms: i64, now_ms: i64, span: Duration) -> bool {
    u128::from(now_ms.abs_diff(since_ms)) < span.as_millis()
}

type People = BTreeMap<String, BTreeMap<String, Decided>>;

fn find<'a>(people: &'a People, channel: &str, id: &str) -> Option<&'a Decided> {
    people.get(channel)?.get(id)
}

fn put(people: &mut People, who: &Newcomer, since_ms: i64) {
    let name = who.name.clone();
    let of_channel = people.entry(who.channel.clone()).or_default();
    of_channel.insert(who.id.clone(), Decided { name, since_ms });
}

fn remove(people: &mut People, channel: &str, id: &str) -> bool {
    let Some(of_channel) = people.get_mut(channel) else {
        return false;
    };
    let removed = of_channel.remove(id).is_some();
    if of_channel.is_empty() {
        people.remove(channel);
    }
    removed
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn newcomer(channel: &str, id: &str, message: &str) -> Newcomer {
        Newcomer {
            channel: channel.into(),
            id: id.into(),
            name: None,
            chat: ChatRef::new(id),
            message: message.into(),
        }
    }

    /// Asks with codes that count up.
    fn ask(book: &mut Book, channel: &str, id: &str, message: &str, now_ms: i64) -> Option<String> {
        let count = Cell::new(0);
        let code = || {
            count.set(count.get() + 1);
            format!("C{}", count.get())
        };
        book.ask(newcomer(channel, id, message), code, now_ms)
    }

    #[test]
    fn a_code_is_given_once_and_again_when_it_is_over() {
        let mut book = Book::default();
        assert_eq!(ask(&mut book, "t", "1", "a", NOW).as_deref(), Some("C1"));
        assert_eq!(ask(&mut book, "t", "1", "b", NOW + HOUR - 1), None);
        assert_eq!(ask(&mut book, "t", "1", "b", NOW + HOUR).as_deref(), Some("C1"));
        assert_eq!(book.pending.len(), 1);
    }

    #[test]
    fn a_message_that_is_handed_over_again_gets_the_same_code() {
        let mut book = Book::default();
        let first = ask(&mut book, "t", "1", "a", NOW);
        ask(&mut book, "t", "2", "x", NOW);
        assert_eq!(ask(&mut book, "t", "1", "a", NOW + 1000), first);
        assert_eq!(ask(&mut book, "t", "1", "b", NOW + 1000), None);
    }

    #[test]
    fn three_of_a_channel_may_wait_and_those_of_another_one_beside_them() {
        let mut book = Book::default();
        for id in ["1", "2", "3"] {
            assert!(ask(&mut book, "t", id, "a", NOW).is_some());
        }
        assert_eq!(ask(&mut book, "t", "4", "a", NOW), None);
        assert!(!book.may_ask("t", "4", NOW) && book.may_ask("t", "3", NOW) && book.may_ask("u", "4", NOW));
        assert!(ask(&mut book, "u", "4", "a", NOW).is_some());
        assert!(book.deny("C2", NOW).is_some());
        assert!(ask(&mut book, "t", "4", "a", NOW).is_some());
    }

    #[test]
    fn who_was_denied_hears_nothing_for_a_day() {
        let mut book = Book::default();
        ask(&mut book, "t", "1", "a", NOW);
        assert_eq!(
            book.deny("C1", NOW).map(|pending| pending.who.id).as_deref(),
            Some("1")
        );
        assert_eq!(ask(&mut book, "t", "1", "b", NOW + 24 * HOUR - 1), None);
        assert!(ask(&mut book, "t", "1", "b", NOW + 24 * HOUR).is_some());
        assert!(!book.is_approved("t", "1"));
    }

    #[test]
    fn a_code_that_is_over_or_of_nobody_lets_nobody_in() {
        let mut book = Book::default();
        ask(&mut book, "t", "1", "a", NOW);
        assert_eq!(book.approve("c1", NOW), None);
        assert_eq!(book.approve("C1", NOW + HOUR), None);
        assert_eq!(book, Book::default());
    }

    #[test]
    fn who_was_approved_is_until_that_is_taken_back() {
        let mut book = Book::default();
        ask(&mut book, "t", "1", "a", NOW);
        assert!(book.approve("C1", NOW).is_some());
        assert!(book.approve("C1", NOW).is_none());
        assert!(book.is_approved("t", "1") && !book.is_approved("u", "1") && !book.is_approved("t", "2"));
        book.forget_past(NOW + 10_000 * HOUR);
        assert!(book.is_approved("t", "1"));
        assert!(book.revoke("t", "1") && !book.revoke("t", "1"));
        assert_eq!(book, Book::default());
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_few_wait_and_nobody_comes_in_by_himself(
            steps in prop::collection::vec((0..6usize, -90..90i64, any::<bool>()), 1..60),
        ) {
            let (mut book, mut now) = (Book::default(), NOW);
            for (id, minutes, jumps) in steps {
                now += if jumps { minutes * 60_000 } else { minutes.abs() };
                let id = id.to_string();
                let may = book.may_ask("t", &id, now);
                let code = ask(&mut book, "t", &id, "a", now);
                prop_assert!(may || code.is_none());
                prop_assert!(book.pending.len() <= PENDING);
                let mut codes: Vec<_> = book.pending.iter().map(|pending| &pending.code).collect();
                codes.dedup();
                prop_assert_eq!(codes.len(), book.pending.len());
            }
            prop_assert!(book.approved.is_empty());
        }
    }
}
