//! What most tests stand on: Telegram, a model and a home with both in its configuration.

use miniclaw_tests::fake_telegram::Sent;
use miniclaw_tests::{ConfigFile, FakeModel, FakeTelegram, Gateway, Home};

/// The user whom the configuration allows.
pub(crate) const USER: i64 = 42;

/// A gateway's surroundings.
pub(crate) struct World {
    pub(crate) telegram: FakeTelegram,
    pub(crate) model: FakeModel,
    pub(crate) home: Home,
}

impl World {
    /// With the standard configuration.
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    /// With a configuration that differs from the standard one.
    pub(crate) fn with(change: impl FnOnce(ConfigFile) -> ConfigFile) -> Self {
        let (telegram, model) = (FakeTelegram::start(), FakeModel::start());
        let config = change(ConfigFile::standard(&telegram, &model, &[USER]));
        Self {
            home: Home::with(&config),
            telegram,
            model,
        }
    }

    /// With the standard configuration, and groups in which everything that the user says is answered.
    pub(crate) fn in_groups(ids: &[i64]) -> Self {
        let groups = serde_json::json!({ "allow": ids, "require_mention": false });
        Self::with(|config| config.with("/channels/telegram/groups", groups))
    }

    /// Starts the gateway and waits until it polls.
    pub(crate) fn start(&self) -> Gateway {
        let polls = self.telegram.ledger().polls.len();
        let gateway = Gateway::start(&self.home, &[]);
        self.telegram.wait("the first poll", |ledger| {
            (ledger.polls.len() > polls).then_some(())
        });
        gateway
    }

    /// Says something in a chat and waits until `n` replies stand in it; returns the last one's text.
    pub(crate) fn say(&self, chat: i64, text: &str, n: usize) -> String {
        self.telegram.inject(chat, USER, text);
        let mut replies = self.telegram.wait_for_replies_to(chat, n);
        replies.swap_remove(n - 1).text
    }

    /// Says `each` things in every chat, all at once, round robin: `chat 7 message 0`, ….
    pub(crate) fn flood(&self, chats: std::ops::Range<i64>, each: usize) {
        let messages: Vec<_> = (0..each)
            .flat_map(|index| {
                chats.clone().map(move |chat| {
                    miniclaw_tests::fake_telegram::Injection::text(chat, USER, line(chat, index))
                })
            })
            .collect();
        self.telegram.inject_all(&messages);
    }

    /// Waits until every message of [`World::flood`] was answered once at least.
    pub(crate) fn wait_for_flood(&self, chats: std::ops::Range<i64>, each: usize) {
        self.telegram.wait("an answer to every message", |ledger| {
            let answered: std::collections::HashSet<(i64, &str)> = ledger
                .sent
                .iter()
                .map(|sent| (sent.chat, answered(sent)))
                .collect();
            chats
                .clone()
                .all(|chat| (0..each).all(|index| answered.contains(&(chat, line(chat, index).as_str()))))
                .then_some(())
        });
    }
}

/// One message of a flood.
pub(crate) fn line(chat: i64, index: usize) -> String {
    format!("chat {chat} message {index}")
}

/// What the model answers to the `index`th message of a conversation that nobody else disturbs.
pub(crate) fn reply(text: &str, index: usize) -> String {
    format!("re: {text} [n={}]", 2 * index + 1)
}

/// The message that a standard answer answers.
pub(crate) fn answered(sent: &Sent) -> &str {
    sent.text
        .strip_prefix("re: ")
        .and_then(|text| text.rsplit_once(" [n="))
        .map_or(sent.text.as_str(), |(text, _)| text)
}

/// Texts in order.
pub(crate) fn texts(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|sent| sent.text.as_str()).collect()
}

/// Texts with repetitions removed, in the order of their first appearance.
pub(crate) fn first_answers(sent: &[Sent]) -> Vec<&str> {
    let mut seen = Vec::new();
    for sent in sent {
        let text = answered(sent);
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}
