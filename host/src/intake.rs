//! Who may speak, and what is taken. The gate decides from configuration, load and message alone.

mod pump;
mod told;

use std::collections::HashSet;
use std::time::Duration;

use miniclaw_plugin_api::{InboundMessage, SenderKind};

pub(crate) use pump::Pump;
pub(crate) use told::Told;

use crate::config::show_duration;
use crate::hub::Load;

/// Ids are keys of tables and names of files.
const ID_BYTES: usize = 1024;

/// The gate of one channel instance.
pub(crate) struct Gate {
    /// Sender ids; unused where the channel authenticates by itself.
    allow: HashSet<String>,
    open: bool,
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
}

/// Why a message of somebody who may speak is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLong,
    TooFast,
    Stale,
}

/// Why a message is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Stranger,
    Empty,
    /// Without an id no message can be told from another one.
    Malformed,
}

impl Gate {
    /// `authenticates`: the channel establishes by itself who speaks.
    pub(crate) fn new(allow_from: &[String], authenticates: bool, limits: Limits) -> Self {
        Self {
            allow: allow_from.iter().cloned().collect(),
            open: authenticates,
            limits,
        }
    }

    /// Whether nobody can pass.
    pub(crate) fn is_closed(&self) -> bool {
        !self.open && self.allow.is_empty()
    }

    /// `now_ms` is the wall clock in milliseconds since 1970.
    pub(crate) fn decide(&self, message: &InboundMessage, load: Load, now_ms: i64) -> Decision {
        if !self.admits(message) {
            return Decision::Ignore(Reason::Stranger);
        }
        if !well_formed(message) {
            return Decision::Ignore(Reason::Malformed);
        }
        let text = message.text();
        if text.trim().is_empty() && message.attachments.is_empty() && !has_other_parts(message) {
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
        if text.len() > self.limits.message_bytes {
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

    fn admits(&self, message: &InboundMessage) -> bool {
        let id = &message.sender.id;
        // An anonymous administrator's id is the group's: who that is cannot be told, so only a list that names
        // the group lets them in, like every other id.
        !id.is_empty() && (self.open || self.allow.contains(id)) && message.sender.kind != SenderKind::Other
    }
}

fn well_formed(message: &InboundMessage) -> bool {
    let thread = message.chat.thread.as_deref().unwrap_or("-");
    [&*message.id, &*message.chat.id, thread]
        .iter()
        .all(|id| (1..=ID_BYTES).contains(&id.len()))
}

fn has_other_parts(message: &InboundMessage) -> bool {
    message
        .parts
        .iter()
        .any(|part| !matches!(part, miniclaw_plugin_api::Part::Text { .. }))
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::{Attachment, ChatKind, Part, Sender};
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits {
        message_bytes: 1024,
        pending: 10,
        pending_per_conversation: 3,
        message_age: Some(Duration::from_secs(60)),
    };

    fn load(pending: usize, waiting: usize, told: bool) -> Load {
        Load {
            pending,
            waiting,
            told,
            told_old: false,
        }
    }

    const NOW: i64 = 1_700_000_000_000;

    fn gate(ids: &[&str]) -> Gate {
        Gate::new(
            &ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
            false,
            LIMITS,
        )
    }

    fn from(sender: &str, text: &str) -> InboundMessage {
        InboundMessage::new("7", "1", sender, text)
    }

    #[test]
    fn an_empty_list_admits_nobody() {
        assert!(gate(&[]).is_closed());
        assert_eq!(
            gate(&[]).decide(&from("42", "hi"), load(0, 0, false), NOW),
            Decision::Ignore(Reason::Stranger)
        );
    }

    #[test]
    fn a_channel_that_authenticates_needs_no_list_but_an_id() {
        let gate = Gate::new(&[], true, LIMITS);
        assert_eq!(
            gate.decide(&from("me", "hi"), load(0, 0, false), NOW),
            Decision::Accept
        );
        assert_eq!(
            gate.decide(&from("", "hi"), load(0, 0, false), NOW),
            Decision::Ignore(Reason::Stranger)
        );
    }

    #[test]
    fn whitespace_alone_is_empty_and_a_picture_is_not() {
        let mut message = from("42", " \n\t ");
        assert_eq!(
            gate(&["42"]).decide(&message, load(0, 0, false), NOW),
            Decision::Ignore(Reason::Empty)
        );
        message.attachments.push(Attachment {
            id: "f".into(),
            ..Attachment::default()
        });
        assert_eq!(
            gate(&["42"]).decide(&message, load(0, 0, false), NOW),
            Decision::Accept
        );
    }

    #[test]
    fn a_message_without_an_id_is_not_taken() {
        for (chat, id) in [("", "1"), ("7", ""), ("7", &*"x".repeat(1025))] {
            let message = InboundMessage::new(chat, id, "42", "hi");
            let decision = gate(&["42"]).decide(&message, load(0, 0, false), NOW);
            assert_eq!(
                decision,
                Decision::Ignore(Reason::Malformed),
                "{chat:?} {}",
                id.len()
            );
        }
    }

    #[test]
    fn full_queues_pause_the_channel_and_a_full_conversation_is_told_once() {
        let gate = gate(&["42"]);
        assert_eq!(
            gate.decide(&from("42", "hi"), load(10, 0, false), NOW),
            Decision::Busy
        );
        assert_eq!(
            gate.decide(&from("42", "hi"), load(5, 3, false), NOW),
            Decision::Refuse(Refusal::TooFast)
        );
        assert_eq!(
            gate.decide(&from("42", "hi"), load(5, 3, true), NOW),
            Decision::RefuseSilently
        );
        assert_eq!(
            gate.decide(&from("42", "hi"), load(5, 2, true), NOW),
            Decision::Accept
        );
    }

    #[test]
    fn a_message_over_the_cap_is_refused_with_a_sentence() {
        let gate = gate(&["42"]);
        let decision = gate.decide(&from("42", &"x".repeat(1025)), load(0, 0, false), NOW);
        assert_eq!(decision, Decision::Refuse(Refusal::TooLong));
        assert!(gate.sentence(Refusal::TooLong).contains("1 KiB"));
    }

    /// The gate in the order of what an operator reads: who, what, how much.
    fn oracle(allow: &[String], open: bool, message: &InboundMessage, load: Load) -> Decision {
        let Sender { id, kind, .. } = &message.sender;
        let known = *kind != SenderKind::Other && !id.is_empty();
        let ids = [
            Some(&message.id),
            Some(&message.chat.id),
            message.chat.thread.as_ref(),
        ];
        let lengths = ids.into_iter().flatten().map(String::len);
        let blank = message
            .parts
            .iter()
            .all(|part| matches!(part, Part::Text { text } if text.trim().is_empty()));
        match () {
            () if !known || !(open || allow.iter().any(|allowed| allowed == id)) => {
                Decision::Ignore(Reason::Stranger)
            }
            () if lengths.into_iter().any(|bytes| bytes == 0 || bytes > 1024) => {
                Decision::Ignore(Reason::Malformed)
            }
            () if blank && message.attachments.is_empty() => Decision::Ignore(Reason::Empty),
            () if load.pending >= LIMITS.pending => Decision::Busy,
            () if message.timestamp_ms > 0 && message.timestamp_ms < NOW - 60_000 => match load.told_old {
                true => Decision::RefuseSilently,
                false => Decision::Refuse(Refusal::Stale),
            },
            () if message.text().len() > LIMITS.message_bytes => Decision::Refuse(Refusal::TooLong),
            () if load.waiting < LIMITS.pending_per_conversation => Decision::Accept,
            () if load.told => Decision::RefuseSilently,
            () => Decision::Refuse(Refusal::TooFast),
        }
    }

    fn any_sender(allow: &[String]) -> impl Strategy<Value = Sender> + use<> {
        let mut ids = allow.to_vec();
        ids.extend(["", "42", "@ann"].map(str::to_owned));
        let kinds = [
            SenderKind::User,
            SenderKind::Bot,
            SenderKind::AnonymousAdmin,
            SenderKind::Channel,
            SenderKind::Other,
        ];
        let name = allow.first().cloned();
        (prop::sample::select(ids), prop::sample::select(kinds.to_vec())).prop_map(move |(id, kind)| Sender {
            id,
            kind,
            name: name.clone(),
        })
    }

    fn any_parts() -> impl Strategy<Value = Vec<Part>> {
        let part = prop_oneof![
            4 => "[a \n]{0,4}".prop_map(|text| Part::Text { text }),
            1 => (1020..1030usize).prop_map(|length| Part::Text { text: "x".repeat(length) }),
            1 => Just(Part::Location { latitude: 1.0, longitude: 2.0 }),
        ];
        prop::collection::vec(part, 0..3)
    }

    /// Messages of all kinds, most of them of somebody allowed and in order otherwise.
    fn any_message(allow: &[String]) -> impl Strategy<Value = InboundMessage> + use<> {
        let id = || prop_oneof![8 => Just("1".to_owned()), 1 => Just(String::new()), 1 => (1023..1027usize).prop_map(|length| "x".repeat(length))];
        let chats = [
            ChatKind::Private,
            ChatKind::Group,
            ChatKind::Channel,
            ChatKind::Other,
        ];
        let marks = (
            prop::sample::select(chats.to_vec()),
            0..3u64,
            0..2usize,
            any::<bool>(),
            prop::sample::select(vec![0, 1, NOW - 60_001, NOW - 60_000, NOW, i64::MAX]),
        );
        (
            any_sender(allow),
            any_parts(),
            (id(), id(), prop::option::of(id())),
            marks,
        )
            .prop_map(
                |(sender, parts, (chat, id, thread), (kind, revision, files, mentions, timestamp_ms))| {
                    let mut message = InboundMessage::new(chat, id, "", "");
                    (message.sender, message.parts) = (sender, parts);
                    (message.chat.thread, message.chat_kind) = (thread, kind);
                    (message.revision, message.mentions_me) = (revision, mentions);
                    message.timestamp_ms = timestamp_ms;
                    message.attachments = vec![Attachment::default(); files];
                    message
                },
            )
    }

    fn lists() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[0-9@a-z]{0,3}", 0..5)
    }

    #[test]
    fn an_old_message_is_refused_and_one_of_the_future_or_without_a_date_is_fresh() {
        let (gate, mut message) = (gate(&["42"]), from("42", "hi"));
        let mut decide = |timestamp_ms, told_old| {
            message.timestamp_ms = timestamp_ms;
            let load = Load {
                told_old,
                ..Load::default()
            };
            gate.decide(&message, load, NOW)
        };
        for fresh in [0, i64::MIN, NOW - 60_000, NOW, NOW + 60_001, i64::MAX] {
            assert_eq!(decide(fresh, false), Decision::Accept, "{fresh}");
        }
        assert_eq!(decide(NOW - 60_001, false), Decision::Refuse(Refusal::Stale));
        assert_eq!(decide(1, true), Decision::RefuseSilently);
        assert!(gate.sentence(Refusal::Stale).contains("more than 1m ago"));
    }

    #[test]
    fn without_a_limit_no_message_is_old() {
        let limits = Limits {
            message_age: None,
            ..LIMITS
        };
        let mut message = from("42", "hi");
        message.timestamp_ms = 1;
        let gate = Gate::new(&["42".into()], false, limits);
        assert_eq!(gate.decide(&message, Load::default(), NOW), Decision::Accept);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_gate_agrees_with_a_list_search(
            (allow, message) in lists().prop_flat_map(|allow| (Just(allow.clone()), any_message(&allow))),
            open in prop::bool::weighted(0.2),
            (pending, waiting, told, told_old) in (0..12usize, 0..5usize, any::<bool>(), any::<bool>()),
        ) {
            let load = Load { told_old, ..load(pending, waiting, told) };
            let decision = Gate::new(&allow, open, LIMITS).decide(&message, load, NOW);
            prop_assert_eq!(decision, oracle(&allow, open, &message, load));
        }
    }
}
