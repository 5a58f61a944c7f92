//! Messages as the Bot API shows them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// A message that a person sends to the bot.
#[derive(Debug, Clone)]
pub struct Injection {
    /// Negative for groups.
    pub chat: i64,
    /// Who writes.
    pub user: i64,
    /// What they write.
    pub text: String,
    /// How many seconds ago; 0 for now.
    pub age: u64,
}

impl Injection {
    /// A text message.
    pub fn text(chat: i64, user: i64, text: impl Into<String>) -> Self {
        Self {
            chat,
            user,
            text: text.into(),
            age: 0,
        }
    }

    /// The same, written so many seconds ago.
    #[must_use]
    pub fn aged(mut self, seconds: u64) -> Self {
        self.age = seconds;
        self
    }
}

/// The members of the update's object beside its id.
pub(super) fn members(message: &Injection, id: i64) -> String {
    let user = message.user;
    let from = format!("{{\"id\":{user},\"is_bot\":false,\"first_name\":\"User {user}\"}}");
    format!(
        "\"message\":{}",
        body(
            message.chat,
            id,
            &from,
            &message.text,
            now().saturating_sub(message.age)
        )
    )
}

/// The same for a message with other members than a text.
pub(super) fn media(chat: i64, user: i64, id: i64, members: &Value) -> String {
    let mut update: Value = serde_json::from_str(&format!(
        "{{{}}}",
        self::members(&Injection::text(chat, user, ""), id)
    ))
    .unwrap_or_default();
    if let Some(message) = update["message"].as_object_mut() {
        message.remove("text");
        message.extend(members.as_object().cloned().unwrap_or_default());
    }
    format!("\"message\":{}", update["message"])
}

/// The chat that an update is about.
pub(super) fn chat(update: &str) -> Option<i64> {
    let update: serde_json::Value = serde_json::from_str(update).ok()?;
    let mut kinds = update.as_object()?.values();
    kinds.find_map(|kind| {
        let message = kind.get("message").unwrap_or(kind);
        message["chat"]["id"].as_i64()
    })
}

/// A message that the bot sent.
pub(super) fn sent(bot: i64, chat: i64, id: i64, text: &str) -> String {
    let from = format!("{{\"id\":{bot},\"is_bot\":true,\"first_name\":\"Fake\",\"username\":\"fake_bot\"}}");
    body(chat, id, &from, text, now())
}

fn body(chat: i64, id: i64, from: &str, text: &str, date: u64) -> String {
    let kind = if chat < 0 {
        format!("\"type\":\"supergroup\",\"title\":\"Group {chat}\"")
    } else {
        format!("\"type\":\"private\",\"first_name\":\"User {chat}\"")
    };
    let text = quoted(text);
    format!(
        "{{\"message_id\":{id},\"from\":{from},\"chat\":{{\"id\":{chat},{kind}}},\"date\":{date},\"text\":{text}}}"
    )
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
