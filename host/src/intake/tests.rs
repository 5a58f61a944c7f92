use miniclaw_plugin_api::{Attachment, ChatKind, Sender, SenderKind};
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
    Gate::new(People::listed(ids), LIMITS)
}

fn from(sender: &str, text: &str) -> InboundMessage {
    InboundMessage::new("7", "1", sender, text)
}

#[test]
fn an_empty_list_admits_nobody() {
    assert!(gate(&[]).is_closed());
    assert_eq!(
        gate(&[]).decide(&from("42", "hi"), Known::default(), load(0, 0, false), NOW),
        Decision::Ignore(Reason::Stranger)
    );
}

#[test]
fn a_channel_that_authenticates_needs_no_list_but_an_id() {
    let everybody = People {
        open: true,
        ..People::default()
    };
    let gate = Gate::new(everybody, LIMITS);
    assert_eq!(
        gate.decide(&from("me", "hi"), Known::default(), load(0, 0, false), NOW),
        Decision::Accept
    );
    assert_eq!(
        gate.decide(&from("", "hi"), Known::default(), load(0, 0, false), NOW),
        Decision::Ignore(Reason::Stranger)
    );
}

#[test]
fn whitespace_alone_is_empty_and_a_picture_is_not() {
    let mut message = from("42", " \n\t ");
    assert_eq!(
        gate(&["42"]).decide(&message, Known::default(), load(0, 0, false), NOW),
        Decision::Ignore(Reason::Empty)
    );
    message.attachments.push(Attachment {
        id: "f".into(),
        ..Attachment::default()
    });
    assert_eq!(
        gate(&["42"]).decide(&message, Known::default(), load(0, 0, false), NOW),
        Decision::Accept
    );
}

#[test]
fn a_message_without_an_id_is_not_taken() {
    for (chat, id) in [("", "1"), ("7", ""), ("7", &*"x".repeat(1025))] {
        let message = InboundMessage::new(chat, id, "42", "hi");
        let decision = gate(&["42"]).decide(&message, Known::default(), load(0, 0, false), NOW);
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
        gate.decide(&from("42", "hi"), Known::default(), load(10, 0, false), NOW),
        Decision::Busy
    );
    assert_eq!(
        gate.decide(&from("42", "hi"), Known::default(), load(5, 3, false), NOW),
        Decision::Refuse(Refusal::TooFast)
    );
    assert_eq!(
        gate.decide(&from("42", "hi"), Known::default(), load(5, 3, true), NOW),
        Decision::RefuseSilently
    );
    assert_eq!(
        gate.decide(&from("42", "hi"), Known::default(), load(5, 2, true), NOW),
        Decision::Accept
    );
}

#[test]
fn a_message_over_the_cap_is_refused_with_a_sentence() {
    let gate = gate(&["42"]);
    let decision = gate.decide(
        &from("42", &"x".repeat(1025)),
        Known::default(),
        load(0, 0, false),
        NOW,
    );
    assert_eq!(decision, Decision::Refuse(Refusal::TooLong));
    assert!(gate.sentence(Refusal::TooLong).contains("1 KiB"));
}

/// A configuration and what the host knows, as lists.
#[derive(Clone, Debug)]
struct Rules {
    allow: Vec<String>,
    open: bool,
    groups: Option<(Vec<String>, bool)>,
    pairing: bool,
    paired: bool,
    chat_before: Vec<String>,
    sender_before: Vec<String>,
}

impl Rules {
    fn gate(&self) -> Gate {
        let groups = self.groups.clone().map(|(allow, require_mention)| Groups {
            allow: allow.into_iter().collect(),
            require_mention,
        });
        let people = People {
            allow: self.allow.iter().cloned().collect(),
            open: self.open,
            groups,
            pairing: self.pairing,
            admins: None,
        };
        Gate::new(people, LIMITS)
    }

    fn known(&self) -> Known<'_> {
        Known {
            chat_before: &self.chat_before,
            sender_before: &self.sender_before,
            paired: self.paired,
        }
    }

    fn may_speak(&self, sender: &Sender) -> bool {
        let mut ids = self.sender_before.iter().chain([&sender.id]);
        let someone = sender.kind != SenderKind::Other && !sender.id.is_empty();
        someone && (self.open || (self.pairing && self.paired) || ids.any(|id| self.allow.contains(id)))
    }

    fn hears(&self, chat: &str) -> bool {
        let mut ids = self.chat_before.iter().map(String::as_str).chain([chat]);
        match &self.groups {
            Some((allow, _)) => ids.any(|id| allow.iter().any(|allowed| allowed == id)),
            None => self.open,
        }
    }
}

/// The gate in the order of what an operator reads: who, where, what, how much.
fn oracle(rules: &Rules, message: &InboundMessage, load: Load) -> Decision {
    let sender = &message.sender;
    let ids = [
        Some(&message.id),
        Some(&message.chat.id),
        message.chat.thread.as_ref(),
    ];
    let lengths = ids.into_iter().flatten().map(String::len);
    let malformed = lengths.into_iter().any(|bytes| bytes == 0 || bytes > 1024);
    let blank = message
        .parts
        .iter()
        .all(|part| matches!(part, Part::Text { text } if text.trim().is_empty()))
        && message.attachments.is_empty();
    let private = message.chat_kind == ChatKind::Private;
    let asks = rules.pairing && private && sender.kind == SenderKind::User && !sender.id.is_empty();
    let addressed = message.mentions_me || !rules.groups.as_ref().is_some_and(|(_, required)| *required);
    match () {
        () if !rules.may_speak(sender) && asks && !malformed && !blank => Decision::Introduce,
        () if !rules.may_speak(sender) => Decision::Ignore(Reason::Stranger),
        () if !private && !rules.hears(&message.chat.id) => Decision::Ignore(Reason::Group),
        () if !private && !addressed => Decision::Ignore(Reason::Unaddressed),
        () if malformed => Decision::Ignore(Reason::Malformed),
        () if blank => Decision::Ignore(Reason::Empty),
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

/// Chats are called `1` in most messages.
fn any_rules() -> impl Strategy<Value = Rules> {
    let chats = || prop::collection::vec(prop::sample::select(vec!["1", "2", "3"]), 0..3);
    let texts = |ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let groups = prop::option::weighted(0.7, (chats(), any::<bool>()));
    let before = (chats(), prop::collection::vec("[0-9]", 0..2));
    let flags = (
        prop::bool::weighted(0.2),
        any::<bool>(),
        prop::bool::weighted(0.3),
    );
    (lists(), groups, before, flags).prop_map(
        move |(allow, groups, (chat_before, sender_before), (open, pairing, paired))| Rules {
            allow,
            open,
            groups: groups.map(|(allow, required)| (texts(allow), required)),
            pairing,
            paired,
            chat_before: texts(chat_before),
            sender_before,
        },
    )
}

fn in_group(sender: &str, mentions_me: bool) -> InboundMessage {
    let mut message = from(sender, "hi");
    (message.chat_kind, message.mentions_me) = (ChatKind::Group, mentions_me);
    message
}

fn grouped(allow: &[&str], require_mention: bool) -> People {
    People {
        groups: Some(Groups {
            allow: allow.iter().map(ToString::to_string).collect(),
            require_mention,
        }),
        ..People::listed(&["42"])
    }
}

fn decide(people: &People, message: &InboundMessage, known: Known<'_>) -> Decision {
    Gate::new(people.clone(), LIMITS).decide(message, known, Load::default(), NOW)
}

#[test]
fn a_group_needs_both_lists_and_a_mention() {
    let none = Known::default();
    let here = grouped(&["7"], true);
    assert_eq!(decide(&here, &in_group("42", true), none), Decision::Accept);
    for (people, sender, mentions, reason) in [
        (&here, "42", false, Reason::Unaddressed),
        (&here, "43", true, Reason::Stranger),
        (&grouped(&["8"], true), "42", true, Reason::Group),
        (&grouped(&[], false), "42", true, Reason::Group),
        (&People::listed(&["42"]), "42", true, Reason::Group),
    ] {
        let decision = decide(people, &in_group(sender, mentions), none);
        assert_eq!(
            decision,
            Decision::Ignore(reason),
            "{people:?} {sender} {mentions}"
        );
    }
    let all = grouped(&["7"], false);
    assert_eq!(decide(&all, &in_group("42", false), none), Decision::Accept);
}

#[test]
fn a_group_that_goes_on_under_another_id_counts_by_each_that_it_had() {
    let before = ["-1".to_owned(), "-2".to_owned()];
    let known = Known {
        chat_before: &before,
        sender_before: &before,
        paired: false,
    };
    let mut people = grouped(&["-2"], true);
    assert_eq!(decide(&people, &in_group("42", true), known), Decision::Accept);
    let mut anonymous = in_group("7", true);
    anonymous.sender.kind = SenderKind::AnonymousAdmin;
    let stranger = Decision::Ignore(Reason::Stranger);
    assert_eq!(decide(&people, &anonymous, known), stranger);
    people.allow.insert("-1".into());
    assert_eq!(decide(&people, &anonymous, known), Decision::Accept);
    assert_eq!(decide(&people, &anonymous, Known::default()), stranger);
}

#[test]
fn a_channel_that_authenticates_hears_groups_unless_the_configuration_speaks_of_them() {
    let mut people = People {
        open: true,
        ..People::default()
    };
    assert_eq!(
        decide(&people, &in_group("me", false), Known::default()),
        Decision::Accept
    );
    people.groups = grouped(&[], true).groups;
    let decision = decide(&people, &in_group("me", true), Known::default());
    assert_eq!(decision, Decision::Ignore(Reason::Group));
}

#[test]
fn admins_are_those_who_are_named_and_else_those_of_the_list() {
    let mut people = People::listed(&["42", "43"]);
    let is_admin = |people: &People, id| Gate::new(people.clone(), LIMITS).is_admin(id);
    assert!(is_admin(&people, "42") && !is_admin(&people, "44"));
    people.admins = Some(["43".to_owned()].into());
    assert!(is_admin(&people, "43") && !is_admin(&people, "42"));
    people.admins = Some(std::collections::HashSet::new());
    assert!(!is_admin(&people, "43"));
    let console = People {
        open: true,
        ..People::default()
    };
    assert!(is_admin(&console, "me"));
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
        gate.decide(&message, Known::default(), load, NOW)
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
    let gate = Gate::new(People::listed(&["42"]), limits);
    assert_eq!(
        gate.decide(&message, Known::default(), Load::default(), NOW),
        Decision::Accept
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_gate_agrees_with_a_list_search(
        (rules, message) in any_rules().prop_flat_map(|rules| {
            let message = any_message(&rules.allow);
            (Just(rules), message)
        }),
        (pending, waiting, told, told_old) in (0..12usize, 0..5usize, any::<bool>(), any::<bool>()),
    ) {
        let load = Load { told_old, ..load(pending, waiting, told) };
        let decision = rules.gate().decide(&message, rules.known(), load, NOW);
        prop_assert_eq!(decision, oracle(&rules, &message, load));
    }
}
