//! Who may speak on a channel, and who may change its settings: decided from the configuration and the message alone.

use std::collections::HashSet;

use miniclaw_plugin_api::{ChatKind, InboundMessage, SenderKind};

/// Whom a channel hears.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    /// Sender ids; unused where the channel is open.
    pub(crate) allow: HashSet<String>,
    /// Everybody may speak, because the channel establishes by itself who does.
    pub(crate) open: bool,
    /// What the configuration says of chats that are not private, where it says anything.
    pub(crate) groups: Option<Groups>,
    /// Strangers get a code, and whoever was approved may speak.
    pub(crate) pairing: bool,
    /// Sender ids; `None` for everybody in `allow`.
    pub(crate) admins: Option<HashSet<String>>,
}

/// Which chats that are not private are heard, and what in them.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// Chat ids.
    pub(crate) allow: HashSet<String>,
    pub(crate) require_mention: bool,
}

/// What the host knows of a message beside what stands in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'a> {
    /// Ids that the chat had before, and its sender where that is a chat.
    pub(crate) chat_before: &'a [String],
    pub(crate) sender_before: &'a [String],
    /// Whether its sender was approved by pairing.
    pub(crate) paired: bool,
}

/// Where a message's author and chat stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Admitted,
    Stranger,
    /// A stranger who may ask to be let in.
    Newcomer,
    /// Somebody who may speak, in a group that is not heard.
    ForeignGroup,
    /// The same, in a group that is heard, without speaking to the bot.
    Unaddressed,
}

impl People {
    /// Those of a list, in private chats.
    #[cfg(test)]
    pub(crate) fn listed(ids: &[&str]) -> Self {
        Self {
            allow: ids.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    pub(super) fn standing(&self, message: &InboundMessage, known: Known<'_>) -> Standing {
        let private = message.chat_kind == ChatKind::Private;
        if !self.knows(message, known) {
            let newcomer = self.pairing && private && message.sender.kind == SenderKind::User;
            return if newcomer && !message.sender.id.is_empty() {
                Standing::Newcomer
            } else {
                Standing::Stranger
            };
        }
        if private {
            return Standing::Admitted;
        }
        match &self.groups {
            Some(groups) if !holds(&groups.allow, &message.chat.id, known.chat_before) => {
                Standing::ForeignGroup
            }
            Some(groups) if groups.require_mention && !message.mentions_me => Standing::Unaddressed,
            None if !self.open => Standing::ForeignGroup,
            _ => Standing::Admitted,
        }
    }

    /// Whether somebody who may write may use commands that change settings.
    pub(super) fn is_admin(&self, sender: &str) -> bool {
        match &self.admins {
            Some(admins) => admins.contains(sender),
            None => self.open || self.allow.contains(sender),
        }
    }

    fn knows(&self, message: &InboundMessage, known: Known<'_>) -> bool {
        let sender = &message.sender;
        // An anonymous administrator's id is the group's: who that is cannot be told, so only a list that names
        // the group lets them in, like every other id.
        let listed = || holds(&self.allow, &sender.id, known.sender_before);
        let paired = self.pairing && known.paired;
        !sender.id.is_empty() && sender.kind != SenderKind::Other && (self.open || paired || listed())
    }
}

/// What goes on under another id counts by each that it had.
fn holds(list: &HashSet<String>, id: &str, before: &[String]) -> bool {
    list.contains(id) || before.iter().any(|id| list.contains(id))
}
