//! Who may speak, and what is taken. The gate decides from configuration, load and message alone.

mod albums;
mod events;
mod newcomers;
mod people;
mod pump;
mod told;

use std::time::Duration;

use miniclaw_plugin_api::{InboundMessage, Part};
use serde::Serialize;

pub(crate) use albums::Albums;
pub(crate) use people::{Groups, Known, People};
pub(crate) use pump::Pump;
pub(crate) use told::Told;

use self::people::Standing;
use crate::config::show_duration;
use crate::hub::Load;

/// Ids are keys of tables and names of files.
const ID_BYTES: usize = 1024;

/// The gate of one channel instance.
pub(crate) struct Gate {
    people: People,
    limits: Limits,
}

/// What a message and the queues may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) message_bytes: usize,
    pub(crate) pending: usize,
    pub(crate) pending_per_conversation: usize,
    /// `None` for messages of any age.
    pub(crate) message_age: Option<Duration>,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    /// It leaves no trace beyond a line of the log at DEBUG.
    Ignore(Reason),
    /// It is not answered, and its sender is told so.
    Refuse(Refusal),
    /// It is not answered, and its sender was told before.
    RefuseSilently,
    /// Nothing more is taken; the channel pauses.
    Busy,
    /// It is not answered, and its sender, who may not write, may get a code.
    Introduce,
}

/// Why a message of somebody who may speak is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    TooLong,
    TooFast,
    Stale,
}

/// Why a message is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Stranger,
    /// Somebody who may write, in a group that is not in the list.
    Group,
    /// Somebody who may write, in a group, to others.
    Unaddressed,
    Empty,
    /// Without an id no message can be told from another one.
    Malformed,
}

impl Gate {
    pub(crate) fn new(people: People, limits: Limits) -> Self {
        Self { people, limits }
    }

    /// Whether nobody can pass who was not approved by pairing.
    pub(crate) fn is_closed(&self) -> bool {
        !self.people.open && self.people.allow.is_empty()
    }

    /// Whether a group's id is in the list.
    pub(crate) fn lists(&self, group: &str) -> bool {
        let groups = self.people.groups.as_ref();
        groups.is_some_and(|groups| groups.allow.contains(group))
    }

    /// Whether strangers get a code.
    pub(crate) fn pairs(&self) -> bool {
        self.people.pairing
    }

    /// Whether somebody who may write may use commands that change settings.
    pub(crate) fn is_admin(&self, sender: &str) -> bool {
        self.people.is_admin(sender)
    }

    /// `now_ms` is the wall clock in milliseconds since 1970.
    pub(crate) fn decide(
        &self,
        message: &InboundMessage,
        known: Known<'_>,
        load: Load,
        now_ms: i64,
    ) -> Decision {
        match self.people.standing(message, known) {
            Standing::Newcomer
                if well_formed(message) && !is_empty(message) && message.sender.id.len() <= ID_BYTES =>
            {
                return Decision::Introduce;
            }
            Standing::Stranger | Standing::Newcomer => return Decision::Ignore(Reason::Stranger),
            Standing::ForeignGroup => return Decision::Ignore(Reason::Group),
            Standing::Unaddressed => return Decision::Ignore(Reason::Unaddressed),
            Standing::Admitted => {}
        }
        if !well_formed(message) {
            return Decision::Ignore(Reason::Malformed);
        }
        if is_empty(message) {
            return Decision::Ignore(Reason::Empty);
        }
        if load.pending >= self.limits.pending {
            return Decision::Busy;
        }
        if self.is_old(message, now_ms) {
            return if load.told_old {
                Decision::RefuseSilently
            } else {
                Decision::Refuse(Refusal::Stale)
            };
        }
        if message.text().len() > self.limits.message_bytes {
            return Decision::Refuse(Refusal::TooLong);
        }
        if load.waiting >= self.limits.pending_per_conversation {
            return if load.told {
                Decision::RefuseSilently
            } else {
                Decision::Refuse(Refusal::TooFast)
            };
        }
        Decision::Accept
    }

    /// What the sender is told.
    pub(crate) fn sentence(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::TooLong => {
                let limit = self.limits.message_bytes / 1024;
                format!(
                    "Your message is longer than the {limit} KiB that I can take. Please send it in parts."
                )
            }
            Refusal::TooFast => {
                let limit = self.limits.pending_per_conversation;
                format!(
                    "You are writing faster than I can answer: {limit} of your messages are waiting. I am not \
                     taking further ones until those are answered; please send this again later."
                )
            }
            Refusal::Stale => {
                let limit = show_duration(self.limits.message_age.unwrap_or_default());
                format!(
                    "I was away. What you wrote more than {limit} ago I am not answering any more; please send \
                     again what still matters."
                )
            }
        }
    }

    /// The level of pending messages at which a channel that was told `Busy` is heard again.
    pub(crate) fn resume_level(&self) -> usize {
        self.limits.pending / 2
    }

    /// A message from the future is fresh, and so is one that nobody dated.
    pub(crate) fn is_old(&self, message: &InboundMessage, now_ms: i64) -> bool {
        let Some(limit) = self.limits.message_age else {
            return false;
        };
        let age = now_ms.saturating_sub(message.timestamp_ms);
        message.timestamp_ms > 0 && u128::try_from(age).is_ok_and(|age| age > limit.as_millis())
    }
}

fn well_formed(message: &InboundMessage) -> bool {
    let thread = message.chat.thread.as_deref().unwrap_or("-");
    [&*message.id, &*message.chat.id, thread]
        .iter()
        .all(|id| (1..=ID_BYTES).contains(&id.len()))
}

fn is_empty(message: &InboundMessage) -> bool {
    let blank = |part: &Part| matches!(part, Part::Text { text } if text.trim().is_empty());
    message.parts.iter().all(blank) && message.attachments.is_empty()
}

#[cfg(test)]
mod tests;
