//! What the gates of all channels say at the moment: who may change settings, who may write, whether strangers get codes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::Gate;

/// The gates of all channels.
pub(crate) struct Admins(HashMap<Arc<str>, watch::Receiver<Arc<Gate>>>);

impl Admins {
    pub(crate) fn new(gates: &HashMap<Arc<str>, watch::Sender<Arc<Gate>>>) -> Arc<Self> {
        let follow =
            |(channel, gate): (&Arc<str>, &watch::Sender<Arc<Gate>>)| (channel.clone(), gate.subscribe());
        Arc::new(Self(gates.iter().map(follow).collect()))
    }

    /// Whether the sender of a message that was accepted may change settings.
    pub(crate) fn is_admin(&self, channel: &str, sender: &str) -> bool {
        self.0
            .get(channel)
            .is_some_and(|gate| gate.borrow().is_admin(sender))
    }

    /// A channel's gate.
    pub(crate) fn of(&self, channel: &str) -> Option<Arc<Gate>> {
        self.0.get(channel).map(|gate| gate.borrow().clone())
    }

    /// Whether whom pairing let in may write to a channel.
    pub(crate) fn pairs(&self, channel: &str) -> bool {
        self.0.get(channel).is_some_and(|gate| gate.borrow().pairs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Limits, People};

    const LIMITS: Limits = Limits {
        message_bytes: 1,
        pending: 1,
        pending_per_conversation: 1,
        message_age: None,
    };

    #[test]
    fn each_channel_has_its_own_and_a_reload_changes_them() {
        let gate = |people| Arc::new(Gate::new(people, LIMITS));
        let (a, b) = (People::listed(&["42"]), People::listed(&["43"]));
        let gates: HashMap<Arc<str>, _> = [
            ("a".into(), watch::channel(gate(a.clone())).0),
            ("b".into(), watch::channel(gate(b)).0),
        ]
        .into();
        let admins = Admins::new(&gates);
        assert!(admins.is_admin("a", "42") && admins.is_admin("b", "43"));
        assert!(!admins.is_admin("a", "43") && !admins.is_admin("c", "42"));
        assert!(!admins.pairs("a") && !admins.pairs("c"));
        let admins_of_a = Some(["7".to_owned()].into());
        gates["a"].send_replace(gate(People {
            admins: admins_of_a,
            pairing: true,
            ..a
        }));
        assert!(admins.is_admin("a", "7") && !admins.is_admin("a", "42"));
        assert!(admins.pairs("a") && !admins.pairs("b"));
    }
}
