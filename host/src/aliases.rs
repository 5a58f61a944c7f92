//! Chats that go on under another id, as a group does that becomes a supergroup. The conversation keeps the key of
//! its first id, so that neither history nor waiting rows move; replies go to its last one.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use miniclaw_plugin_api::ChatRef;

use crate::spool::Alias;

/// Ids are no longer than those of messages that the intake takes.
const ID_BYTES: usize = 1024;
/// More are not believed: a channel has as many only where its plugin makes them up.
const MOST: usize = 100_000;

/// The aliases of one channel instance.
pub(crate) struct Aliases {
    channel: Arc<str>,
    links: RwLock<Links>,
}

#[derive(Default)]
struct Links {
    /// From an id to the one after it, and back.
    next: HashMap<String, String>,
    before: HashMap<String, String>,
    /// Not in the spool yet.
    unsaved: Vec<Alias>,
}

impl Aliases {
    /// Those of `channel` among the stored ones.
    pub(crate) fn new(channel: Arc<str>, stored: &[Alias]) -> Self {
        let mut links = Links::default();
        for alias in stored.iter().filter(|alias| alias.channel == channel) {
            links.add(&alias.old, &alias.new);
        }
        Self {
            channel,
            links: RwLock::new(links),
        }
    }

    /// Takes note that a chat goes on under another id. What contradicts an earlier note is ignored. Returns
    /// whether that is new.
    pub(crate) fn learn(&self, old: &str, new: &str) -> bool {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        let added = links.add(old, new);
        if added {
            links.unsaved.push(Alias {
                channel: self.channel.clone(),
                old: old.to_owned(),
                new: new.to_owned(),
            });
        }
        added
    }

    /// What has to be stored.
    pub(crate) fn unsaved(&self) -> Vec<Alias> {
        self.read().unsaved.clone()
    }

    /// These are stored.
    pub(crate) fn saved(&self, stored: &[Alias]) {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        links.unsaved.retain(|alias| !stored.contains(alias));
    }

    /// The chat that a conversation is named by, where that is another one.
    pub(crate) fn first(&self, chat: &ChatRef) -> Option<ChatRef> {
        follow(&self.read().before, chat)
    }

    /// The ids that a chat had before this one.
    pub(crate) fn before(&self, id: &str) -> Vec<String> {
        let links = self.read();
        std::iter::successors(links.before.get(id), |id| links.before.get(*id))
            .cloned()
            .collect()
    }

    /// The chat that a message has to go to, where that is another one.
    pub(crate) fn last(&self, chat: &ChatRef) -> Option<ChatRef> {
        follow(&self.read().next, chat)
    }

    fn read(&self) -> RwLockReadGuard<'_, Links> {
        self.links.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Links {
    fn add(&mut self, old: &str, new: &str) -> bool {
        let sound = [old, new].iter().all(|id| (1..=ID_BYTES).contains(&id.len()));
        let contradicts = self.next.contains_key(old) || self.before.contains_key(new);
        // Chains stay chains: none may close to a ring.
        let ring = end(&self.before, old) == new || old == new;
        let sound = sound && !contradicts && !ring && self.next.len() < MOST;
        if sound {
            self.next.insert(old.to_owned(), new.to_owned());
            self.before.insert(new.to_owned(), old.to_owned());
        }
        sound
    }
}

fn follow(links: &HashMap<String, String>, chat: &ChatRef) -> Option<ChatRef> {
    links.contains_key(&chat.id).then(|| ChatRef {
        id: end(links, &chat.id).to_owned(),
        thread: chat.thread.clone(),
    })
}

fn end<'a>(links: &'a HashMap<String, String>, mut id: &'a str) -> &'a str {
    while let Some(next) = links.get(id) {
        id = next;
    }
    id
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(chat: Option<ChatRef>) -> Option<String> {
        chat.map(|chat| chat.id)
    }

    #[test]
    fn a_chain_is_followed_to_either_end_and_the_thread_is_kept() {
        let aliases = Aliases::new("t".into(), &[]);
        assert!(aliases.learn("b", "c") && aliases.learn("a", "b"));
        assert_eq!(id(aliases.first(&ChatRef::new("c"))).as_deref(), Some("a"));
        assert_eq!(id(aliases.last(&ChatRef::new("a"))).as_deref(), Some("c"));
        assert_eq!(
            (
                aliases.last(&ChatRef::new("c")),
                aliases.first(&ChatRef::new("x"))
            ),
            (None, None)
        );
        let mut topic = ChatRef::new("a");
        topic.thread = Some("5".into());
        assert_eq!(
            aliases.last(&topic).and_then(|chat| chat.thread).as_deref(),
            Some("5")
        );
        assert_eq!(aliases.before("c"), ["b", "a"]);
        assert!(aliases.before("a").is_empty());
        assert!(!aliases.learn("a", "z") && !aliases.learn("c", "a"));
    }

    #[test]
    fn what_is_stored_is_what_was_learned_and_only_of_the_own_channel() {
        let aliases = Aliases::new("t".into(), &[]);
        aliases.learn("a", "b");
        let stored = aliases.unsaved();
        aliases.saved(&stored);
        assert!(aliases.unsaved().is_empty());
        assert!(
            Aliases::new("t".into(), &stored)
                .last(&ChatRef::new("a"))
                .is_some()
        );
        assert!(
            Aliases::new("u".into(), &stored)
                .last(&ChatRef::new("a"))
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn whatever_is_learned_every_chain_ends(pairs in prop::collection::vec(("[a-e]", "[a-e]"), 0..30)) {
            let aliases = Aliases::new("t".into(), &[]);
            for (old, new) in &pairs {
                aliases.learn(old, new);
            }
            for chat in ["a", "b", "c", "d", "e"].map(ChatRef::new) {
                if let Some(last) = aliases.last(&chat) {
                    prop_assert_eq!(aliases.first(&last), Some(aliases.first(&chat).unwrap_or(chat)));
                }
            }
        }
    }
}
