//! The channels that there are. Which these are, and what each lets in, changes while the gateway runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use miniclaw_plugin_api::TextUnit;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Habits;
use crate::aliases::Aliases;
use crate::config;
use crate::delivery::Outbox;
use crate::intake::{Gate, Told};

/// One configured channel, whichever instance of it runs.
pub(crate) struct Channel {
    pub(crate) outbox: Arc<Outbox>,
    /// Who may write; changes with the configuration.
    pub(crate) gate: watch::Sender<Arc<Gate>>,
    pub(crate) told: Arc<Told>,
    pub(crate) aliases: Arc<Aliases>,
    /// How its turns go.
    habits: Mutex<Habits>,
}

/// All configured channels by name.
#[derive(Default)]
pub(crate) struct Channels(RwLock<Known>);

#[derive(Default)]
struct Known {
    channels: HashMap<Arc<str>, Arc<Channel>>,
    /// What one message took of those that are configured no more: answers to what they left are cut for it.
    limits: HashMap<Arc<str>, (usize, TextUnit)>,
}

impl Channel {
    /// One that lets in whom `gate` says.
    pub(crate) fn new(
        name: &str,
        outbox: Arc<Outbox>,
        aliases: Arc<Aliases>,
        gate: Arc<Gate>,
        habits: Habits,
    ) -> Self {
        tell(name, &gate);
        Self {
            outbox,
            gate: watch::channel(gate).0,
            told: Arc::default(),
            aliases,
            habits: Mutex::new(habits),
        }
    }

    /// Another configuration, or another instance, lets in others, and has other habits.
    pub(crate) fn admit(&self, name: &str, gate: Arc<Gate>, habits: Habits) {
        *self.habits.lock().unwrap_or_else(PoisonError::into_inner) = habits;
        let lets = |gate: &Gate| (gate.is_closed(), gate.pairs());
        let before = self.gate.send_replace(gate.clone());
        if lets(&before) != lets(&gate) {
            tell(name, &gate);
        }
    }

    pub(crate) fn habits(&self) -> Habits {
        *self.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Channel>> {
        self.read().channels.get(name).cloned()
    }

    /// The names of all of them, sorted.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.read().channels.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn all(&self) -> Vec<Arc<Channel>> {
        self.read().channels.values().cloned().collect()
    }

    pub(crate) fn insert(&self, name: Arc<str>, channel: Arc<Channel>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.limits.remove(&name);
        known.channels.insert(name, channel);
    }

    /// From here on nothing finds the channel; what holds it already goes on with it.
    pub(crate) fn remove(&self, name: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, channel)) = known.channels.remove_entry(name) {
            known.limits.insert(name, channel.outbox.text_limit());
        }
    }

    /// What one message of a channel takes, also of one that is gone; 0 for no limit.
    pub(crate) fn text_limit(&self, name: &str) -> (usize, TextUnit) {
        let known = self.read();
        match known.channels.get(name) {
            Some(channel) => channel.outbox.text_limit(),
            None => known.limits.get(name).copied().unwrap_or((0, TextUnit::Chars)),
        }
    }

    /// A channel's gate.
    pub(crate) fn gate(&self, name: &str) -> Option<Arc<Gate>> {
        let known = self.read();
        known
            .channels
            .get(name)
            .map(|channel| channel.gate.borrow().clone())
    }

    /// Whether the sender of a message that was accepted may change settings.
    pub(crate) fn is_admin(&self, name: &str, sender: &str) -> bool {
        self.gate(name).is_some_and(|gate| gate.is_admin(sender))
    }

    /// Whether whom pairing let in may write to a channel.
    pub(crate) fn pairs(&self, name: &str) -> bool {
        self.gate(name).is_some_and(|gate| gate.pairs())
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says so where nobody may write.
fn tell(name: &str, gate: &Gate) {
    if gate.is_closed() && gate.pairs() {
        info!(
            channel = name,
            "Allow list is empty: whoever writes gets a code, and `miniclaw pairing approve CODE` lets them in"
        );
    } else if gate.is_closed() {
        let reason = config::nobody_may_write(name);
        warn!(channel = name, "Allow list is empty: {reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DeliveryConfig, OnUnknown};
    use crate::delivery::OutboxParts;
    use crate::dispatch::Parcels;
    use crate::intake::{Limits, People};
    use crate::sessions::SessionManager;
    use crate::spool::SqliteSpool;

    const LIMITS: Limits = Limits {
        message_bytes: 1,
        pending: 1,
        pending_per_conversation: 1,
        message_age: None,
    };

    fn outbox(name: &str, spool: &Arc<SqliteSpool>, folder: &std::path::Path) -> Arc<Outbox> {
        Outbox::new(OutboxParts {
            channel: name.into(),
            spool: spool.clone(),
            config: DeliveryConfig {
                max_age: std::time::Duration::from_secs(60),
                on_unknown: OnUnknown::Resend,
                max_concurrent_sends: 1,
                max_waiting: 1,
            },
            instance: watch::channel(None).1,
            limit: (4096, TextUnit::Utf16),
            attaches: true,
            sessions: SessionManager::new(spool.clone(), folder.into(), 1, 1),
            counters: Arc::default(),
            aliases: Arc::new(Aliases::new(name.into(), &[])),
            parcels: Parcels::new(folder),
        })
    }

    #[tokio::test]
    async fn each_channel_lets_in_its_own_and_one_that_goes_is_remembered_by_its_limit_alone() {
        let folder = tempfile::tempdir().unwrap();
        let spool = SqliteSpool::open(folder.path()).unwrap().spool;
        let gate = |people| Arc::new(Gate::new(people, LIMITS));
        let channels = Channels::default();
        for (name, user) in [("a", "42"), ("b", "43")] {
            let outbox = outbox(name, &spool, folder.path());
            let aliases = Arc::new(Aliases::new(name.into(), &[]));
            let gate = gate(People::listed(&[user]));
            let channel = Channel::new(name, outbox, aliases, gate, Habits::default());
            channels.insert(name.into(), Arc::new(channel));
        }
        assert!(channels.is_admin("a", "42") && channels.is_admin("b", "43"));
        assert!(!channels.is_admin("a", "43") && !channels.is_admin("c", "42"));
        let people = People {
            admins: Some(["7".to_owned()].into()),
            pairing: true,
            ..People::listed(&["42"])
        };
        channels
            .get("a")
            .unwrap()
            .admit("a", gate(people), Habits::default());
        assert!(channels.is_admin("a", "7") && !channels.is_admin("a", "42"));
        assert!(channels.pairs("a") && !channels.pairs("b") && !channels.pairs("c"));
        channels.remove("a");
        assert!(channels.get("a").is_none() && !channels.pairs("a"));
        assert_eq!(channels.text_limit("a"), (4096, TextUnit::Utf16));
        assert_eq!(channels.text_limit("c"), (0, TextUnit::Chars));
        assert_eq!(channels.names(), ["b".into()]);
    }
}
