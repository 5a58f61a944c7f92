//! Who wrote, and in what kind of chat.

use miniclaw_plugin_api::{ChatKind, Sender, SenderKind};

use crate::update::{Chat, User};

pub(super) fn chat_kind(chat: &Chat) -> ChatKind {
    match chat.kind.as_str() {
        "private" => ChatKind::Private,
        "group" | "supergroup" => ChatKind::Group,
        "channel" => ChatKind::Channel,
        _ => ChatKind::Other,
    }
}

/// Where a chat speaks, `from` is a stand-in that Telegram puts there for old clients and says nothing.
pub(super) fn sender(from: Option<&User>, sender_chat: Option<&Chat>, chat: &Chat) -> Sender {
    if let Some(speaker) = sender_chat {
        let anonymous = speaker.id == chat.id && chat_kind(chat) == ChatKind::Group;
        return Sender {
            id: speaker.id.to_string(),
            kind: if anonymous {
                SenderKind::AnonymousAdmin
            } else {
                SenderKind::Channel
            },
            name: speaker.title.clone(),
        };
    }
    match from {
        Some(user) => Sender {
            id: user.id.to_string(),
            kind: if user.is_bot {
                SenderKind::Bot
            } else {
                SenderKind::User
            },
            name: Some(full_name(user)).filter(|name| !name.is_empty()),
        },
        None if chat_kind(chat) == ChatKind::Channel => Sender {
            id: chat.id.to_string(),
            kind: SenderKind::Channel,
            name: chat.title.clone(),
        },
        None => Sender {
            kind: SenderKind::Other,
            ..Sender::default()
        },
    }
}

pub(super) fn full_name(user: &User) -> String {
    let last = user.last_name.as_deref().unwrap_or_default();
    let name = format!("{} {last}", user.first_name);
    match (name.trim(), &user.username) {
        ("", Some(username)) => format!("@{username}"),
        (name, _) => name.to_owned(),
    }
}
