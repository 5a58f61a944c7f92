//! Of what the owner is told, and how often: at most one message of each kind in ten minutes, and a note when it is over.

use std::collections::BTreeMap;

use miniclaw_plugin_api::Kind;
use serde::{Deserialize, Serialize};

/// Between two messages of one kind.
const WINDOW_MS: i64 = 10 * 60 * 1000;

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Channel(String),
    Provider(String),
    DeadLetters,
    Disk,
}

impl Topic {
    pub(super) fn of(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Provider => Self::Provider(name.to_owned()),
            _ => Self::Channel(name.to_owned()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Channel(name) => format!("channel `{name}`"),
            Self::Provider(name) => format!("provider `{name}`"),
            Self::DeadLetters => "dead letters".into(),
            Self::Disk => "the disk".into(),
        }
    }

    /// In the file.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Channel(name) => format!("channels.{name}"),
            Self::Provider(name) => format!("providers.{name}"),
            Self::DeadLetters => "dead_letters".into(),
            Self::Disk => "disk".into(),
        }
    }
}

/// What outlives the process of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Milliseconds since 1970 of the last message that something is wrong.
    at_ms: i64,
    /// What the owner knows last is that it is wrong.
    down: bool,
}

#[derive(Debug, Default)]
struct Line {
    /// What is wrong, in words that follow on the topic's name.
    down: Option<String>,
    /// Times that it went wrong, and that are not told.
    untold: u64,
    /// The last time's reason.
    reason: String,
    told: Told,
    /// Nobody can be told while it is wrong.
    mute: bool,
}

/// One message to the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) text: String,
    topic: Topic,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// It is wrong.
    Wrong,
    /// It was, and is over.
    Was,
    /// What was told is over.
    Over,
}

/// All topics.
#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: BTreeMap<Topic, Line>,
    /// Dead letters of this process that were counted.
    dead: u64,
    told_before: BTreeMap<String, Told>,
}

impl Journal {
    /// With what an earlier process told.
    pub(super) fn after(told_before: BTreeMap<String, Told>) -> Self {
        Self {
            told_before,
            ..Self::default()
        }
    }

    /// What the next process has to know.
    pub(super) fn to_keep(&self) -> BTreeMap<String, Told> {
        let lines = self
            .lines
            .iter()
            .map(|(topic, line)| (topic.key(), line.told.clone()));
        self.told_before.clone().into_iter().chain(lines).collect()
    }

    /// Notes how something is. `mute`: while it is wrong nobody can be told.
    pub(super) fn observe(&mut self, topic: Topic, down: Option<String>, mute: bool) {
        let line = self.line(topic);
        line.mute = mute;
        if let (None, Some(reason)) = (&line.down, &down) {
            // An earlier process told of it, and it has been so ever since.
            line.untold += u64::from(!line.told.down);
            line.reason.clone_from(reason);
        }
        line.down = down;
    }

    /// Notes how many dead letters there were since the start.
    pub(super) fn count_dead(&mut self, count: u64) {
        let new = count.saturating_sub(self.dead);
        self.dead = self.dead.max(count);
        self.line(Topic::DeadLetters).untold += new;
    }

    fn line(&mut self, topic: Topic) -> &mut Line {
        let told_before = &mut self.told_before;
        self.lines.entry(topic).or_insert_with_key(|topic| Line {
            told: told_before.remove(&topic.key()).unwrap_or_default(),
            ..Line::default()
        })
    }

    /// What is to be told now.
    pub(super) fn due(&self, now_ms: i64) -> Vec<Notice> {
        let notices = self.lines.iter().filter_map(|(topic, line)| {
            let (what, text) = line.due(topic, now_ms)?;
            let topic = topic.clone();
            Some(Notice { text, topic, what })
        });
        notices.collect()
    }

    /// A notice is on its way.
    pub(super) fn told(&mut self, notice: &Notice, now_ms: i64) {
        let line = self.line(notice.topic.clone());
        match notice.what {
            What::Over => line.told.down = false,
            what => {
                line.told = Told {
                    at_ms: now_ms,
                    down: what == What::Wrong,
                };
                line.untold = 0;
            }
        }
    }
}

impl Line {
    fn due(&self, topic: &Topic, now_ms: i64) -> Option<(What, String)> {
        let name = topic.name();
        // A clock that was set back holds up nothing.
        let closed = (0..WINDOW_MS).contains(&(now_ms - self.told.at_ms));
        let times = match self.untold {
            0 | 1 => String::new(),
            times => format!(" ({times} times)"),
        };
        let may = !closed && self.untold > 0;
        match (&self.down, self.told.down) {
            (Some(_), _) if self.mute => None,
            (Some(down), false) if may => Some((What::Wrong, format!("{name} {down}{times}"))),
            (None, true) => Some((What::Over, over(topic))),
            (None, false) if may && *topic == Topic::DeadLetters => {
                let letters = match self.untold {
                    1 => "a new dead letter".to_owned(),
                    count => format!("{count} new dead letters"),
                };
                Some((What::Was, format!("{letters}; `miniclaw queue list` shows them")))
            }
            (None, false) if may => {
                let (reason, over) = (past(&self.reason), over(topic));
                Some((What::Was, format!("{over}; before that it {reason}{times}")))
            }
            _ => None,
        }
    }
}

/// The same words of something that is over.
fn past(reason: &str) -> String {
    for (present, past) in [("is ", "was "), ("takes no", "took no"), ("does not", "did not")] {
        if let Some(rest) = reason.strip_prefix(present) {
            return format!("{past}{rest}");
        }
    }
    reason.to_owned()
}

fn over(topic: &Topic) -> String {
    match topic {
        Topic::Disk => "the disk takes messages again".into(),
        topic => format!("{} works again", topic.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    struct Owner(Journal, Vec<String>);

    impl Owner {
        fn new() -> Self {
            Self(Journal::default(), Vec::new())
        }

        fn telegram(&mut self, down: Option<&str>, mute: bool) {
            let down = down.map(str::to_owned);
            self.0.observe(Topic::Channel("telegram".into()), down, mute);
        }

        /// Tells what is due; returns it.
        fn at(&mut self, now_ms: i64) -> Vec<String> {
            let due = self.0.due(now_ms);
            due.iter().for_each(|notice| self.0.told(notice, now_ms));
            self.1.extend(due.iter().map(|notice| notice.text.clone()));
            due.into_iter().map(|notice| notice.text).collect()
        }
    }

    const START: i64 = 1_000_000_000;

    #[test]
    fn a_failure_and_its_end_are_told_once_each() {
        let mut owner = Owner::new();
        owner.telegram(None, false);
        assert!(owner.at(START).is_empty());
        owner.telegram(Some("failed: `401`"), false);
        assert_eq!(owner.at(START), ["channel `telegram` failed: `401`"]);
        owner.telegram(Some("failed: `401`"), false);
        assert!(owner.at(START + 60 * MINUTE).is_empty());
        owner.telegram(None, false);
        assert_eq!(owner.at(START + 61 * MINUTE), ["channel `telegram` works again"]);
        assert!(owner.at(START + 200 * MINUTE).is_empty());
    }

    #[test]
    fn what_flaps_costs_two_messages_a_window_and_is_counted() {
        let mut owner = Owner::new();
        for step in 0..50 {
            let now = START + step * 6_000;
            owner.telegram((step % 2 == 0).then_some("failed: `x`"), false);
            owner.at(now);
        }
        assert_eq!(
            owner.1,
            ["channel `telegram` failed: `x`", "channel `telegram` works again"]
        );
        let told = owner.at(START + 11 * MINUTE);
        assert_eq!(
            told,
            ["channel `telegram` works again; before that it failed: `x` (24 times)"]
        );
        assert!(owner.at(START + 50 * MINUTE).is_empty());
    }

    #[test]
    fn the_own_channel_is_told_of_when_it_is_back() {
        let mut owner = Owner::new();
        owner.telegram(Some("is quarantined: `boom`"), true);
        assert!(owner.at(START).is_empty());
        owner.telegram(None, true);
        assert_eq!(
            owner.at(START + 1),
            ["channel `telegram` works again; before that it was quarantined: `boom`"]
        );
        assert!(owner.at(START + 30 * MINUTE).is_empty());
    }

    #[test]
    fn dead_letters_are_counted_within_their_window() {
        let mut owner = Owner::new();
        owner.0.count_dead(0);
        assert!(owner.at(START).is_empty());
        owner.0.count_dead(1);
        assert_eq!(
            owner.at(START),
            ["a new dead letter; `miniclaw queue list` shows them"]
        );
        owner.0.count_dead(9);
        assert!(owner.at(START + 9 * MINUTE).is_empty());
        owner.0.count_dead(12);
        assert_eq!(
            owner.at(START + 10 * MINUTE),
            ["11 new dead letters; `miniclaw queue list` shows them"]
        );
    }

    #[test]
    fn another_process_does_not_repeat_what_was_told() {
        let mut owner = Owner::new();
        owner.telegram(Some("failed: `401`"), false);
        owner.at(START);
        let mut next = Owner(Journal::after(owner.0.to_keep()), Vec::new());
        next.telegram(Some("failed: `401`"), false);
        assert!(next.at(START + 60 * MINUTE).is_empty());
        assert_eq!(next.0.to_keep(), owner.0.to_keep());
        next.telegram(None, false);
        assert_eq!(next.at(START + 61 * MINUTE), ["channel `telegram` works again"]);
    }

    #[test]
    fn what_could_not_be_told_is_told_when_it_is_over() {
        let mut owner = Owner::new();
        owner
            .0
            .observe(Topic::Disk, Some("takes no messages: `full`".into()), false);
        // The disk takes no row, and the channel does not work.
        assert_eq!(owner.0.due(START).len(), 1);
        owner.0.observe(Topic::Disk, None, false);
        assert_eq!(
            owner.at(START + MINUTE),
            ["the disk takes messages again; before that it took no messages: `full`"]
        );
    }
}
